//! PEM text (RFC 7468) and files with one private key in it.

use std::str::Lines;

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
    let mut found = None;
    for block in Blocks::of(text) {
        let block = block.map_err(KeyError::PemBroken)?;
        if block.label == "EC PARAMETERS" {
            continue;
        }
        if found.is_some() {
            return Err(KeyError::SeveralBlocks);
        }
        check_label(block.label)?;
        if block.encrypted {
            return Err(KeyError::Encrypted);
        }
        found = Some(block);
    }
    let block = found.ok_or_else(|| no_block(text))?;
    let bytes = block.decode().map_err(KeyError::PemBroken)?;
    match block.label {
        "RSA PRIVATE KEY" => der::private_from_pkcs1(&bytes),
        "EC PRIVATE KEY" => der::private_from_sec1(&bytes),
        _ => der::private_from_pkcs8(&bytes),
    }
}

/// Tells a text without PEM from one whose BEGIN line was moved: indented, or on one line with the rest, as in variables
/// of the environment.
fn no_block(text: &str) -> KeyError {
    let moved = |line: &str| line.contains("-----BEGIN ") && boundary(line, "-----BEGIN ").is_none();
    if text.lines().any(moved) {
        KeyError::PemBroken("the BEGIN line must stand on a line of its own, without spaces in front")
    } else {
        KeyError::NotPem
    }
}

/// A PEM block. Its text is wiped when it is dropped.
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    /// Whether it has the header that OpenSSL writes above an encrypted PKCS#1 or SEC1 key (RFC 1421 section 4.6.1.1).
    encrypted: bool,
    /// The text between the boundaries, without white space.
    body: Zeroizing<String>,
}

impl Block<'_> {
    /// The bytes of the block; otherwise what is wrong with its text.
    pub(crate) fn decode(&self) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        BASE64_STANDARD
            .decode(self.body.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| "the text between the BEGIN and END lines is not base64")
    }
}

/// The blocks of a text, or what is wrong with it, after which there is no use in asking for more.
pub(crate) struct Blocks<'a>(Lines<'a>);

impl<'a> Blocks<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self(text.trim_start_matches('\u{feff}').lines())
    }

    /// Reads on to the END line of a block.
    fn block(&mut self, label: &'a str) -> Result<Block<'a>, &'static str> {
        let mut encrypted = false;
        let mut lines = Vec::new();
        for line in self.0.by_ref() {
            if let Some(end) = boundary(line, "-----END ") {
                if end != label {
                    return Err("the END line names another label");
                }
                // The capacity is the bound, so that growing leaves no copy of a key behind.
                let capacity = lines.iter().map(|line: &&str| line.len()).sum();
                let mut body = Zeroizing::new(String::with_capacity(capacity));
                for line in lines {
                    body.extend(line.chars().filter(|c| !c.is_ascii_whitespace()));
                }
                return Ok(Block {
                    label,
                    encrypted,
                    body,
                });
            }
            encrypted |= line.starts_with("Proc-Type:") && line.contains("ENCRYPTED");
            lines.push(line);
        }
        Err("there is no END line")
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<Block<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        let label = self.0.find_map(|line| boundary(line, "-----BEGIN "))?;
        Some(self.block(label))
    }
}

/// The label of a BEGIN or END line.
fn boundary<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.trim_end().strip_prefix(start)?.strip_suffix("-----")
}

/// Writes a block with lines of 64 characters (RFC 7468 section 2).
pub(crate) fn write_block(label: &str, der: &[u8], text: &mut String) {
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    for line in der.chunks(48) {
        BASE64_STANDARD.encode_string(line, text);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
}

/// A label, or another name that arrived from outside, if it can stand in a message.
pub(crate) fn printable(name: &str) -> String {
    let plain = (1..=40).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b" -_.".contains(&b));
    if plain { name } else { "with this name" }.to_owned()
}

/// Refuses what is not a private key.
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
        "DSA PRIVATE KEY" => Err(KeyError::UnsupportedAlgorithm("DSA".to_owned())),
        "OPENSSH PRIVATE KEY" => Err(KeyError::OpenSsh),
        other => Err(KeyError::UnsupportedLabel(printable(other))),
    }
}
