//! The certificate that the listener presents.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use symbolon_core::UnixMillis;
use symbolon_core::time::rfc3339;
use x509_parser::parse_x509_certificate;

use super::check::{Check, Name, blocking, late};
use crate::cli::configuration::tls_files;
use crate::config::Settings;
use crate::http::{TlsCertificate, TlsFiles};

/// A certificate that ends sooner should have been renewed.
const SOON_DAYS: u64 = 14;
const DAY_MS: u64 = 86_400_000;

const RENEW: &str = "renew the certificate and replace `server.tls_certificate_file` and `server.tls_key_file`; the server \
                     takes them up by itself";

/// Whether the files can be used, and for how long.
pub(super) async fn check(settings: &Settings, now: UnixMillis) -> Check {
    let name = Name::TlsCertificate;
    let Some(files) = tls_files(settings) else {
        return Check::skipped(
            name,
            "`server.tls_certificate_file` is not set: the listener speaks plain HTTP",
        );
    };
    let check = blocking(move || judge_files(files, now)).await;
    check.unwrap_or_else(|| late(name))
}

fn judge_files(files: TlsFiles, now: UnixMillis) -> Check {
    let name = Name::TlsCertificate;
    // The same rule as the server's, which bounds what is read and compares the key.
    let path = files.certificate.clone();
    let bounds = TlsCertificate::load(files)
        .map_err(|error| error.to_string())
        .and_then(|_| CertificateDer::from_pem_file(&path).map_err(|error| error.to_string()))
        .and_then(|certificate| Validity::of(&certificate));
    match bounds {
        Ok(validity) => validity.judge(name, now),
        Err(error) => Check::failed(
            name,
            error,
            "mend `server.tls_certificate_file` and `server.tls_key_file`",
        ),
    }
}

/// When a certificate may be used.
pub(super) struct Validity {
    from: UnixMillis,
    until: UnixMillis,
}

impl Validity {
    /// Of a certificate in DER.
    pub(super) fn of(certificate: &[u8]) -> Result<Self, String> {
        let (_, certificate) = parse_x509_certificate(certificate)
            .map_err(|error| format!("the certificate is malformed: {error}"))?;
        let validity = certificate.validity();
        let millis = |seconds: i64| UnixMillis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000));
        Ok(Self {
            from: millis(validity.not_before.timestamp()),
            until: millis(validity.not_after.timestamp()),
        })
    }

    fn judge(&self, name: Name, now: UnixMillis) -> Check {
        if let Some(why) = self.refused(now) {
            return Check::failed(name, why, RENEW);
        }
        let (days, soon) = self.ends(now);
        let detail = format!("it is valid until {}, {days} days from now", rfc3339(self.until));
        if soon {
            return Check::warning(name, detail, RENEW);
        }
        Check::ok(name, detail)
    }

    /// In how many days it ends, and whether that is so soon that it should have been renewed.
    pub(super) fn ends(&self, now: UnixMillis) -> (u64, bool) {
        let left = self.until.since(now);
        (left / DAY_MS, left < SOON_DAYS * DAY_MS)
    }

    /// Why clients refuse it now, if they do.
    fn refused(&self, now: UnixMillis) -> Option<String> {
        if self.until < now {
            return Some(format!("the certificate was valid until {}", rfc3339(self.until)));
        }
        (now < self.from).then(|| format!("the certificate is not valid before {}", rfc3339(self.from)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::super::check::Outcome;
    use super::super::tests::settings;
    use super::*;

    /// 2030-06-01T00:00:00Z.
    const NOW: UnixMillis = UnixMillis(1_906_502_400_000);

    fn write(folder: &Path, from: (i32, u8, u8), until: (i32, u8, u8)) -> Settings {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        let certificate = params.self_signed(&key).unwrap();
        let (certificate_file, key_file) = (folder.join("c.pem"), folder.join("k.pem"));
        std::fs::write(&certificate_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        settings(&format!(
            "issuer = \"https://localhost\"\nserver.tls_certificate_file = \"{}\"\nserver.tls_key_file = \"{}\"",
            certificate_file.display(),
            key_file.display()
        ))
    }

    #[tokio::test]
    async fn a_certificate_is_told_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        for (from, until, outcome, says) in [
            ((2030, 1, 1), (2030, 6, 16), Outcome::Ok, "15 days from now"),
            ((2030, 1, 1), (2030, 6, 14), Outcome::Warning, "13 days from now"),
            (
                (2030, 1, 1),
                (2030, 5, 31),
                Outcome::Failed,
                "was valid until 2030-05-31",
            ),
            (
                (2030, 6, 2),
                (2031, 1, 1),
                Outcome::Failed,
                "not valid before 2030-06-02",
            ),
        ] {
            let check = check(&write(folder.path(), from, until), NOW).await;
            assert_eq!(check.outcome, outcome, "{check:?}");
            assert!(check.detail.contains(says), "{check:?}");
        }
    }

    #[tokio::test]
    async fn files_that_the_server_would_refuse_fail() {
        let folder = tempfile::tempdir().unwrap();
        let settings = write(folder.path(), (2030, 1, 1), (2031, 1, 1));
        std::fs::write(folder.path().join("k.pem"), "no key").unwrap();
        let found = check(&settings, NOW).await;
        assert_eq!(found.outcome, Outcome::Failed);
        assert!(found.detail.contains("server.tls_key_file"), "{found:?}");
        std::fs::remove_file(folder.path().join("c.pem")).unwrap();
        let found = check(&settings, NOW).await;
        assert!(found.detail.contains("cannot be read"), "{found:?}");
    }

    #[tokio::test]
    async fn there_may_be_none() {
        let found = check(&settings("issuer = \"http://127.0.0.1\""), NOW).await;
        assert_eq!(found.outcome, Outcome::Skipped);
    }
}
