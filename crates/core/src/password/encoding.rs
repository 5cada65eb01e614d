//! The dialects of base64 and of numbers that systems write hashes in.

use base64::alphabet::{self, Alphabet};
use base64::engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig};

/// With padding or without it, and with any bits in what is left over of the last character: some systems write them,
/// all of them ignore them.
const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true)
    .with_encode_padding(false);

const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const BCRYPT: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, CONFIG);
const PASSLIB: GeneralPurpose = GeneralPurpose::new(&PASSLIB_ALPHABET, CONFIG);

/// The standard one with `.` in place of `+`.
const PASSLIB_ALPHABET: Alphabet =
    match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./") {
        Ok(alphabet) => alphabet,
        Err(_) => panic!("not an alphabet"),
    };

/// The standard alphabet.
pub(super) fn standard(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// The standard alphabet, without padding.
pub(super) fn to_standard(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Passlib's "adapted" base64.
pub(super) fn passlib(text: &str) -> Option<Vec<u8>> {
    PASSLIB.decode(text).ok()
}

/// The alphabet of bcrypt.
pub(super) fn bcrypt(text: &str) -> Option<Vec<u8>> {
    BCRYPT.decode(text).ok()
}

/// A number without sign; one that is too large for its type is the largest, so that a ceiling refuses it.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// `a=1,b=2` with exactly these names in this order.
pub(super) fn parameters<const N: usize>(text: &str, names: [&str; N]) -> Option<[u64; N]> {
    let mut pairs = text.split(',');
    let mut found = [0; N];
    for (slot, name) in found.iter_mut().zip(names) {
        let (key, value) = pairs.next()?.split_once('=')?;
        *slot = number(value).filter(|_| key == name)?;
    }
    pairs.next().is_none().then_some(found)
}

/// Exactly `N` fields between `$`.
pub(super) fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    let fields: Vec<&str> = text.splitn(N + 1, '$').collect();
    fields.try_into().ok()
}

/// A salt that is used as the text that it is.
pub(super) fn text_salt(text: &str) -> Option<Vec<u8>> {
    let shown = text.bytes().all(|byte| byte.is_ascii_graphic());
    shown.then(|| text.as_bytes().to_vec())
}
