//! PEM files with one private key (RFC 7468).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use crate::der::{self, MAX_KEY_LEN};
use crate::error::KeyError;
use crate::key_material::PrivateMaterial;

/// Reads the only private key of a PEM file. Text around the block is allowed, and so is the `EC PARAMETERS` block that
/// `openssl ecparam -genkey` writes in front of its key.
pub(crate) fn private_from_pem(text: &str) -> Result<PrivateMaterial, KeyError> {
    if text.len() > MAX_KEY_LEN {
        return Err(KeyError::TooLong { limit: MAX_KEY_LEN });
    }
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim_end);
    let mut found = None;
    while let Some(line) = lines.next() {
        let Some(label) = boundary(line, "-----BEGIN ") else {
            continue;
        };
        let body = block_body(label, &mut lines)?;
        if label == "EC PARAMETERS" {
            continue;
        }
        if found.is_some() {
            return Err(KeyError::SeveralBlocks);
        }
        check_label(label)?;
        found = Some((label, body));
    }
    let (label, body) = found.ok_or(KeyError::NotPem)?;
    let decoded = BASE64_STANDARD.decode(body.as_bytes()).map(Zeroizing::new);
    let bytes =
        decoded.map_err(|_| KeyError::PemBroken("the text between the BEGIN and END lines is not base64"))?;
    match label {
        "RSA PRIVATE KEY" => der::private_from_pkcs1(&bytes),
        "EC PRIVATE KEY" => der::private_from_sec1(&bytes),
        _ => der::private_from_pkcs8(&bytes),
    }
}

/// The label of a BEGIN or END line.
fn boundary<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix("-----")
}

/// Collects the base64 of a block, its END line included in what is read.
fn block_body<'a>(
    label: &str,
    lines: &mut impl Iterator<Item = &'a str>,
) -> Result<Zeroizing<String>, KeyError> {
    // The capacity is the bound, so that growing leaves no copy of the key behind.
    let mut body = Zeroizing::new(String::with_capacity(MAX_KEY_LEN));
    for line in lines {
        if let Some(end) = boundary(line, "-----END ") {
            return if end == label {
                Ok(body)
            } else {
                Err(KeyError::PemBroken("the END line names another label"))
            };
        }
        // RFC 1421 headers: what OpenSSL writes above an encrypted PKCS#1 or SEC1 key.
        if line.starts_with("Proc-Type:") && line.contains("ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        body.extend(line.chars().filter(|c| !c.is_ascii_whitespace()));
    }
    Err(KeyError::PemBroken("there is no END line"))
}

/// Refuses what is not an unencrypted private key.
fn check_label(label: &str) -> Result<(), KeyError> {
    match label {
        "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Ok(()),
        "ENCRYPTED PRIVATE KEY" => Err(KeyError::Encrypted),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => Err(KeyError::PublicKey),
        "CERTIFICATE"
        | "X509 CERTIFICATE"
        | "TRUSTED CERTIFICATE"
        | "CERTIFICATE REQUEST"
        | "NEW CERTIFICATE REQUEST" => Err(KeyError::Certificate),
        other => {
            let plain = other.len() <= 40
                && other
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ');
            Err(KeyError::UnsupportedLabel(if plain {
                other.to_owned()
            } else {
                "this PEM label".to_owned()
            }))
        }
    }
}
