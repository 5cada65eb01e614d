//! The listener's certificate: loaded at start, loaded again when its files change.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    InconsistentKeys, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use tokio::time::{Instant, MissedTickBehavior};
use zeroize::Zeroizing;

/// How often the files are looked at where the configuration says nothing else.
pub const TLS_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// The most bytes that either file may have.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

const CERTIFICATE_SETTING: &str = "server.tls_certificate_file";
const KEY_SETTING: &str = "server.tls_key_file";

/// Where the certificate and its key are.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// PEM: the server's certificate, then the intermediate ones that lead to its root.
    pub certificate: PathBuf,
    /// PEM: the private key of the first certificate, in PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
    /// How often the files are looked at for changes.
    pub check_interval: Duration,
}

/// Why a certificate and its key cannot be used. Each text holds its cause, which is no source, to be told once.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, unreadable or absurdly large.
    #[error(
        "{setting}: {} cannot be read: {cause}; correct the path, or let the user that runs symbolon read it",
        path.display()
    )]
    Unreadable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file does not have what it must.
    #[error("{setting}: {} holds no {expected}: {reason}; replace the file", path.display())]
    Malformed {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file must hold.
        expected: &'static str,
        /// What is wrong with it. Never a part of its content.
        reason: String,
    },
    /// The key is another certificate's.
    #[error(
        "{KEY_SETTING}: {} is not the key of the first certificate in {} ({CERTIFICATE_SETTING}); \
         put the server's certificate first and its own key beside it",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The TLS library refused to start.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// The certificate that a listener presents, replaced as a whole when its files change.
///
/// A pair of files that cannot be used never replaces one that can.
#[derive(Debug)]
pub struct TlsCertificate {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    /// What the files held when they were last looked at; `None` if they could not be read. Held while
    /// they are read and put to use, so that two reloads cannot overtake each other.
    seen: Mutex<Option<u64>>,
}

impl TlsCertificate {
    /// Loads `files`, blocking while they are read.
    ///
    /// # Errors
    /// When a file is missing or malformed, or the key is not the certificate's.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let pair = PemPair::read(&files)?;
        let config = server_config(&files, &pair)?;
        let seen = Mutex::new(Some(pair.fingerprint()));
        Ok(Self {
            files,
            current: ArcSwap::new(config),
            seen,
        })
    }

    /// Loads the files again, changed or not. Connections that are open keep what they began with.
    ///
    /// # Errors
    /// As [`Self::load`]; the certificate in use stays. The caller logs it.
    pub async fn reload(self: &Arc<Self>) -> Result<(), TlsError> {
        let this = Arc::clone(self);
        unblock(move || this.reload_if(|_, _| true)).await.map(|_| ())
    }

    /// The configuration for the next handshake.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Looks at the files for ever, each [`TlsFiles::check_interval`].
    pub(super) async fn watch(self: Arc<Self>) {
        // tokio refuses an interval of nothing.
        let period = self.files.check_interval.max(Duration::from_millis(1));
        let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let this = Arc::clone(&self);
            match unblock(move || this.reload_if(|seen, found| seen != found)).await {
                Ok(false) => {}
                Ok(true) => tracing::info!(
                    certificate = %self.files.certificate.display(),
                    "TLS certificate changed, new connections get the new one"
                ),
                Err(error) => tracing::error!(
                    %error,
                    "TLS files changed and cannot be used, the certificate loaded before stays in use"
                ),
            }
        }
    }

    /// Reads the files and, if `wanted` says so of what was seen before and now, puts them to use. A
    /// failure is returned when it is new, and what fails is not tried again until it changes.
    fn reload_if(&self, wanted: impl Fn(Option<u64>, Option<u64>) -> bool) -> Result<bool, TlsError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = PemPair::read(&self.files);
        let found = pair.as_ref().ok().map(PemPair::fingerprint);
        if !wanted(*seen, found) {
            return Ok(false);
        }
        *seen = found;
        self.current.store(server_config(&self.files, &pair?)?);
        Ok(true)
    }
}

/// Runs file access off the threads that serve requests.
async fn unblock<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        // The runtime is shutting down, and this task with it.
        Err(_) => std::future::pending().await,
    }
}

struct PemPair {
    certificates: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl PemPair {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            certificates: read_file(CERTIFICATE_SETTING, &files.certificate)?,
            key: Zeroizing::new(read_file(KEY_SETTING, &files.key)?),
        })
    }

    /// Tells one content from another. It decides no trust, so that any hash will do.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.certificates.hash(&mut hasher);
        self.key.hash(&mut hasher);
        hasher.finish()
    }
}

fn read_file(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |cause| TlsError::Unreadable {
        setting,
        path: path.to_owned(),
        cause,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(unreadable(io::Error::from(io::ErrorKind::FileTooLarge)));
    }
    Ok(content)
}

fn server_config(files: &TlsFiles, pair: &PemPair) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certified = certified_key(files, pair, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Stateless resumption: however many clients there are, no memory. Its keys are this certificate's
    // own, so that none of them resumes under a certificate that was replaced.
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
    Ok(Arc::new(config))
}

fn certified_key(
    files: &TlsFiles,
    pair: &PemPair,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let bad_certificate = |reason: String| TlsError::Malformed {
        setting: CERTIFICATE_SETTING,
        path: files.certificate.clone(),
        expected: "usable certificate",
        reason,
    };
    let bad_key = |reason: String| TlsError::Malformed {
        setting: KEY_SETTING,
        path: files.key.clone(),
        expected: "usable private key (PKCS#8, PKCS#1 or SEC1, not encrypted)",
        reason,
    };
    let chain = CertificateDer::pem_slice_iter(&pair.certificates)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad_certificate(describe(&error).to_owned()))?;
    if chain.is_empty() {
        return Err(bad_certificate(describe(&pem::Error::NoItemsFound).to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_slice(&pair.key).map_err(|error| bad_key(describe(&error).to_owned()))?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| bad_key(error.to_string()))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(TlsError::Mismatch {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        }),
        Err(error) => Err(bad_certificate(error.to_string())),
    }
}

/// The library's own texts quote the line at fault, which in a key file may be key.
fn describe(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a PEM section has no end line",
        pem::Error::IllegalSectionStart { .. } => "a line that begins a PEM section is malformed",
        pem::Error::Base64Decode(_) => "a PEM section is not base64",
        pem::Error::NoItemsFound => "there is no such PEM section",
        pem::Error::SectionTooLarge => "a PEM section is too large",
        _ => "it is not PEM",
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use rcgen::KeyPair;

    use super::*;
    use crate::http::tests::{TestCertificate, certificate};

    fn load(certificate: &TestCertificate) -> Result<TlsCertificate, TlsError> {
        TlsCertificate::load(certificate.files())
    }

    fn changed(tls: &TlsCertificate) -> Result<bool, TlsError> {
        tls.reload_if(|seen, found| seen != found)
    }

    fn pem(label: &str, der: &[u8]) -> String {
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            STANDARD.encode(der)
        )
    }

    #[test]
    fn reads_keys_in_pkcs8_sec1_and_pkcs1() {
        let ec = certificate();
        load(&ec).unwrap();
        // PKCS#8 of a P-256 key ends in its SEC1 form, 0x6d bytes long.
        let der = ec.key.serialize_der();
        ec.write_key(&pem("EC PRIVATE KEY", &der[der.len() - 0x6d..]));
        load(&ec).unwrap();

        let rsa = TestCertificate::new(KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap());
        load(&rsa).unwrap();
        // PKCS#8 of an RSA key of 2048 bits has 26 bytes before its PKCS#1 form.
        rsa.write_key(&pem("RSA PRIVATE KEY", &rsa.key.serialize_der()[26..]));
        load(&rsa).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_its_setting() {
        type Spoil = fn(&TestCertificate);
        let cases: &[(&str, &str, Spoil)] = &[
            (CERTIFICATE_SETTING, "cannot be read", |it| {
                std::fs::remove_file(&it.files().certificate).unwrap()
            }),
            (KEY_SETTING, "cannot be read", |it| {
                std::fs::remove_file(&it.files().key).unwrap()
            }),
            (CERTIFICATE_SETTING, "too large", |it| {
                it.write_certificate(&"x".repeat(2 << 20))
            }),
            (CERTIFICATE_SETTING, "no such PEM section", |it| {
                it.write_certificate("")
            }),
            (CERTIFICATE_SETTING, "no such PEM section", |it| {
                it.write_certificate(&it.key.serialize_pem())
            }),
            (CERTIFICATE_SETTING, "not base64", |it| {
                it.write_certificate("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
            }),
            (CERTIFICATE_SETTING, "holds no usable certificate", |it| {
                it.write_certificate(&pem("CERTIFICATE", b"not DER"));
            }),
            (KEY_SETTING, "no such PEM section", |it| it.write_key("s3cret")),
            (KEY_SETTING, "no such PEM section", |it| {
                it.write_key(&pem("ENCRYPTED PRIVATE KEY", b"s3cret"))
            }),
            (KEY_SETTING, "not base64", |it| {
                it.write_key("-----BEGIN PRIVATE KEY-----\ns3cret!\n-----END PRIVATE KEY-----\n");
            }),
            (KEY_SETTING, "malformed", |it| it.write_key("-----BEGIN s3cret")),
            (KEY_SETTING, "no end line", |it| {
                it.write_key("-----BEGIN PRIVATE KEY-----\ns3cret")
            }),
            (KEY_SETTING, "holds no usable private key", |it| {
                it.write_key(&pem("PRIVATE KEY", b"s3cret"))
            }),
            (KEY_SETTING, "is not the key of", |it| {
                it.write_key(&KeyPair::generate().unwrap().serialize_pem());
            }),
        ];
        for (setting, reason, spoil) in cases {
            let certificate = certificate();
            spoil(&certificate);
            let error = load(&certificate).unwrap_err();
            assert!(error.source().is_none(), "what the text holds is told once");
            let error = error.to_string();
            assert!(error.starts_with(setting), "{error}");
            assert!(error.contains(reason), "{reason}: {error}");
            assert!(
                error.contains(certificate.files().key.parent().unwrap().to_str().unwrap()),
                "{error}"
            );
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_change_is_taken_up_once() {
        let certificate = certificate();
        let tls = load(&certificate).unwrap();
        let before = tls.current();
        assert!(!changed(&tls).unwrap());
        assert!(Arc::ptr_eq(&before, &tls.current()));
        certificate.renew();
        assert!(changed(&tls).unwrap());
        assert!(!Arc::ptr_eq(&before, &tls.current()));
        assert!(!changed(&tls).unwrap());
    }

    #[test]
    fn a_broken_change_is_reported_once_and_leaves_the_old_certificate() {
        let certificate = certificate();
        let tls = load(&certificate).unwrap();
        let before = tls.current();
        let old_key = certificate.key.serialize_pem();

        // The new certificate is there, its key not yet.
        certificate.renew();
        let new_key = std::fs::read_to_string(&certificate.files().key).unwrap();
        certificate.write_key(&old_key);
        assert!(matches!(changed(&tls), Err(TlsError::Mismatch { .. })));
        assert!(!changed(&tls).unwrap(), "reported already");

        std::fs::remove_file(&certificate.files().key).unwrap();
        assert!(matches!(
            changed(&tls),
            Err(TlsError::Unreadable {
                setting: KEY_SETTING,
                ..
            })
        ));
        assert!(!changed(&tls).unwrap(), "reported already");
        assert!(Arc::ptr_eq(&before, &tls.current()));

        certificate.write_key(&new_key);
        assert!(changed(&tls).unwrap());
        assert!(!Arc::ptr_eq(&before, &tls.current()));
    }

    #[tokio::test]
    async fn a_reload_on_demand_needs_no_change_and_says_what_failed() {
        let certificate = certificate();
        let tls = Arc::new(load(&certificate).unwrap());
        let first = tls.current();
        tls.reload().await.unwrap();
        let second = tls.current();
        assert!(!Arc::ptr_eq(&first, &second));
        certificate.write_key("nonsense");
        for _ in 0..2 {
            assert!(matches!(
                tls.reload().await,
                Err(TlsError::Malformed {
                    setting: KEY_SETTING,
                    ..
                })
            ));
        }
        assert!(Arc::ptr_eq(&second, &tls.current()));
    }
}
