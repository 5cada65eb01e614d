//! Certificates that are published beside a key (RFC 7517 section 4.7).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::x509::{X509, X509KeyUsage, X509Ref, X509VerifyResult};

use crate::der;
use crate::error::CertificateError;
use crate::pem::{Blocks, printable, write_block};

/// The most certificates in a chain.
const MAX_CERTIFICATES: usize = 8;
/// The longest certificate, in bytes of DER.
const MAX_CERTIFICATE_LEN: usize = 32 * 1024;
/// The longest PEM text, in bytes: a chain of the greatest length, and room for what tools write between.
const MAX_TEXT_LEN: usize = 512 * 1024;
/// The longest certificate, in characters of base64.
const MAX_TEXT_PER_CERTIFICATE: usize = MAX_CERTIFICATE_LEN.div_ceil(3) * 4;

/// One to eight X.509 certificates: first the one of a signing key, behind each the one that issued it. Cheap to clone.
///
/// Each certificate is well-formed DER of at most 32 KiB, and signed by the next. Whether anybody trusts the last one,
/// and whether they have expired, is not judged here. That the first is one of a signing key is judged by
/// [`crate::PublicKey::with_certificates`].
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateChain(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    ders: Vec<Vec<u8>>,
    /// `SubjectPublicKeyInfo` of the first certificate.
    spki_der: Vec<u8>,
    /// Whether the first certificate leaves its key to make signatures.
    signs: bool,
    /// When the first certificate ends, in seconds since 1970.
    not_after: i64,
}

impl CertificateChain {
    /// Reads PEM with certificates alone, 512 KiB at most; text around the blocks is allowed. What [`Self::to_pem`]
    /// wrote comes back unchanged.
    ///
    /// # Errors
    /// [`CertificateError`] for anything but a chain as described above.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        if text.len() > MAX_TEXT_LEN {
            return Err(CertificateError::TooMuchText { limit: MAX_TEXT_LEN });
        }
        let mut ders = Vec::new();
        for block in Blocks::of(text) {
            let block = block.map_err(CertificateError::Broken)?;
            if block.label != "CERTIFICATE" {
                return Err(CertificateError::Label(printable(block.label)));
            }
            if ders.len() == MAX_CERTIFICATES {
                return Err(CertificateError::TooMany {
                    limit: MAX_CERTIFICATES,
                });
            }
            ders.push(block.decode().map_err(CertificateError::Broken)?.to_vec());
        }
        Self::from_ders(ders)
    }

    /// Reads the value of `x5c`: standard base64, not base64url. `None` for a value of another form.
    pub(crate) fn from_x5c(value: &serde_json::Value) -> Option<Result<Self, CertificateError>> {
        let texts = value.as_array().filter(|texts| !texts.is_empty())?;
        let ders = texts
            .iter()
            .take(MAX_CERTIFICATES + 1)
            .map(|text| {
                let text = text
                    .as_str()
                    .filter(|text| text.len() <= MAX_TEXT_PER_CERTIFICATE)?;
                BASE64_STANDARD.decode(text).ok()
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self::from_ders(ders))
    }

    fn from_ders(ders: Vec<Vec<u8>>) -> Result<Self, CertificateError> {
        if ders.len() > MAX_CERTIFICATES {
            return Err(CertificateError::TooMany {
                limit: MAX_CERTIFICATES,
            });
        }
        let certificates = (1..)
            .zip(&ders)
            .map(|(position, der)| parse(position, der))
            .collect::<Result<Vec<_>, _>>()?;
        for (position, pair) in (1..).zip(certificates.windows(2)) {
            if !issued(&pair[1], &pair[0]) {
                return Err(CertificateError::Issuer { position });
            }
        }
        let first = certificates.first().ok_or(CertificateError::Empty)?;
        let malformed = |_: ErrorStack| CertificateError::Malformed { position: 1 };
        let spki_der = first
            .public_key()
            .and_then(|key| key.public_key_to_der())
            .map_err(malformed)?;
        let signs = first
            .key_usage()
            .is_none_or(|usage| usage.contains(X509KeyUsage::DIGITAL_SIGNATURE));
        let not_after = not_after(first).map_err(malformed)?;
        Ok(Self(Arc::new(Inner {
            ders,
            spki_der,
            signs,
            not_after,
        })))
    }

    /// The chain as PEM, to be stored.
    pub fn to_pem(&self) -> String {
        let mut text = String::new();
        for der in &self.0.ders {
            write_block("CERTIFICATE", der, &mut text);
        }
        text
    }

    /// The certificates as DER, that of the key first.
    pub fn ders(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.ders.iter().map(Vec::as_slice)
    }

    /// When the certificate of the key ends, in seconds since 1970 (UTC); negative for earlier dates. Verifiers that
    /// look at certificates refuse the key from then on.
    pub fn not_after(&self) -> i64 {
        self.0.not_after
    }

    /// The value of `x5c`.
    pub(crate) fn to_x5c(&self) -> Vec<String> {
        self.ders().map(|der| BASE64_STANDARD.encode(der)).collect()
    }

    /// Judges whether the first certificate is one of this key, for signatures. Both encodings of the key are ours, made
    /// from its numbers.
    pub(crate) fn check_key(&self, spki_der: &[u8]) -> Result<(), CertificateError> {
        let certified = der::public_from_spki(&self.0.spki_der).and_then(|material| material.to_spki_der());
        if !certified.is_ok_and(|certified| certified == spki_der) {
            return Err(CertificateError::OtherKey);
        }
        // RFC 7517 section 4.7: `use` must correspond to what the certificate says of it (RFC 5280 section 4.2.1.3).
        if !self.0.signs {
            return Err(CertificateError::Usage);
        }
        Ok(())
    }
}

impl fmt::Debug for CertificateChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateChain")
            .field("len", &self.0.ders.len())
            .field("not_after", &self.0.not_after)
            .finish_non_exhaustive()
    }
}

/// Reads one certificate. OpenSSL passes over what follows it and over looser encodings; both show when it is written.
fn parse(position: usize, der: &[u8]) -> Result<X509, CertificateError> {
    if der.len() > MAX_CERTIFICATE_LEN {
        return Err(CertificateError::TooLong {
            position,
            limit: MAX_CERTIFICATE_LEN,
        });
    }
    let malformed = |_: ErrorStack| CertificateError::Malformed { position };
    let certificate = X509::from_der(der).map_err(malformed)?;
    if certificate.to_der().map_err(malformed)? != der {
        return Err(CertificateError::Malformed { position });
    }
    Ok(certificate)
}

/// Whether the names match, the issuer may sign certificates, and its signature is right.
fn issued(issuer: &X509Ref, subject: &X509Ref) -> bool {
    issuer.issued(subject) == X509VerifyResult::OK
        && issuer
            .public_key()
            .and_then(|key| subject.verify(&key))
            .unwrap_or(false)
}

fn not_after(certificate: &X509Ref) -> Result<i64, ErrorStack> {
    let since_1970 = Asn1Time::from_unix(0)?.diff(certificate.not_after())?;
    Ok(i64::from(since_1970.days) * 86_400 + i64::from(since_1970.secs))
}
