//! What can be wrong, and the remedy. No variant carries key material or a token.

use crate::alg::SigningAlg;
use crate::kek::KekId;
use crate::kid::Kid;

/// A key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key is of another type than its algorithm needs.
    #[error("{key} key can't be used for {alg}")]
    AlgorithmMismatch {
        /// What the key is.
        key: &'static str,
        /// What it was wanted for.
        alg: SigningAlg,
    },
    /// OpenSSL refused a key that passed every other check.
    #[error("OpenSSL refused the key: {0}")]
    Backend(String),
    /// The PEM block is a certificate or a request for one.
    #[error("the file holds a certificate or a request for one; give the private key that belongs to it")]
    Certificate,
    /// The certificates of the key are refused.
    #[error(transparent)]
    CertificateChain(#[from] CertificateError),
    /// The private key is encrypted with a passphrase.
    #[error("the private key is encrypted; decrypt it first: `openssl pkey -in key.pem -out plain.pem`")]
    Encrypted,
    /// The curve is spelled out instead of named.
    #[error("the key does not name its curve; name it: `openssl ec -in key.pem -param_enc named_curve`")]
    ExplicitCurve,
    /// The numbers of the key contradict each other.
    #[error("the parts of the key contradict each other")]
    Inconsistent,
    /// The `alg` of the JWK is none of ours.
    #[error(
        "the JWK member `alg` names no supported algorithm; use one of ES256, ES384, EdDSA, PS256, RS256"
    )]
    JwkAlg,
    /// A JWK member is absent or has the wrong form.
    #[error("the JWK member `{0}` is missing or malformed")]
    JwkMember(&'static str),
    /// The JSON is no object, or a very large one.
    #[error("a JWK must be a JSON object with at most 32 members")]
    JwkNotObject,
    /// The JWK holds a member of a private or symmetric key.
    #[error("the JWK holds the private member `{0}`; publish the public key only and replace this key")]
    JwkPrivate(&'static str),
    /// A member name occurs twice.
    #[error("the JWK holds a member more than once; each may occur once")]
    JwkRepeated,
    /// A JWK set without keys or with more than one.
    #[error("the JWK set must hold exactly one key; give the private key alone")]
    JwkSet,
    /// The JWK is a symmetric key.
    #[error("the JWK holds a symmetric key; give the private key of a pair: RSA, EC or Ed25519")]
    JwkSymmetric,
    /// The JWK is not well-formed JSON.
    #[error("the JWK is not well-formed JSON: line {line}, column {column}")]
    JwkSyntax {
        /// Where it goes wrong, from 1.
        line: usize,
        /// Where in the line, from 1.
        column: usize,
    },
    /// `use` or `key_ops` speaks of another use than signatures.
    #[error("the JWK member `{0}` says that the key does not sign; give a key for signatures")]
    JwkUse(&'static str),
    /// The key-encryption key has the wrong form.
    #[error("the key-encryption key must be 32 bytes in base64; make one with `openssl rand -base64 32`")]
    KekFormat,
    /// The key-encryption key is a placeholder.
    #[error("the key-encryption key is one byte repeated; make a random one with `openssl rand -base64 32`")]
    KekNotRandom,
    /// The key id has the wrong form.
    #[error("a key id is 1 to 128 characters of A-Z a-z 0-9 _ -")]
    Kid,
    /// Not a well-formed PKCS#8, PKCS#1, SEC1 or SPKI structure.
    #[error("the key is not well-formed {0}")]
    Malformed(&'static str),
    /// Neither a PEM block nor a JWK was found.
    #[error("no key found; expected PEM (`-----BEGIN PRIVATE KEY-----`) or a JWK (`{{\"kty\": ...}}`)")]
    NotPem,
    /// The key is in the format of OpenSSH.
    #[error("the key is in the format of OpenSSH; convert it to PKCS#8: `ssh-keygen -p -m PKCS8 -f key`")]
    OpenSsh,
    /// The PEM armour is broken.
    #[error("the PEM text is broken: {0}")]
    PemBroken(&'static str),
    /// The public point is not on its curve, has small order or no canonical encoding.
    #[error("the public key is a weak or invalid point")]
    Point,
    /// A public key was given where a private key is needed.
    #[error("the file holds a public key; give the private key")]
    PublicKey,
    /// The randomness given to key generation gave no usable key.
    #[error("the random source gave no usable key; it is broken")]
    Randomness,
    /// The public exponent is out of bounds.
    #[error("the RSA public exponent must be odd and between 65537 and 2^32; make a new key with 65537")]
    RsaExponent,
    /// The modulus is even.
    #[error("the RSA modulus is even; make a new key")]
    RsaModulus,
    /// More than two primes.
    #[error("RSA keys with more than two primes are not supported; make a key with two")]
    RsaPrimes,
    /// The modulus can be factored.
    #[error(
        "the primes of the RSA key are of different lengths or too close to each other, so that it can be broken; make a \
         new key"
    )]
    RsaWeakPrimes,
    /// The modulus is too short or too long.
    #[error("the RSA key has {bits} bits; use 2048 to 8192")]
    RsaSize {
        /// Length of the modulus in bits.
        bits: usize,
    },
    /// The private number of an EC key is out of range.
    #[error("the private number of the EC key must be at least 1 and less than the order of its curve")]
    Scalar,
    /// More than one PEM block.
    #[error("the file holds more than one PEM block; give each private key its own file")]
    SeveralBlocks,
    /// The input is longer than any key.
    #[error("the input is longer than {limit} bytes; that is no key")]
    TooLong {
        /// The bound, in bytes.
        limit: usize,
    },
    /// The key algorithm is none of ours.
    #[error("the key algorithm {0} is not supported; use RSA, EC on P-256 or P-384, or Ed25519")]
    UnsupportedAlgorithm(String),
    /// The curve is none of ours.
    #[error("the curve {0} is not supported; use P-256, P-384 or Ed25519")]
    UnsupportedCurve(String),
    /// The PEM label is none that holds a key we read.
    #[error(
        "the PEM label `{0}` is not supported; convert the key to PKCS#8: \
         `openssl pkcs8 -topk8 -nocrypt -in key.pem`"
    )]
    UnsupportedLabel(String),
}

/// The certificates of a key are refused. Positions count from 1, the certificate of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The PEM armour is broken.
    #[error("the PEM text is broken: {0}")]
    Broken(&'static str),
    /// No certificate was found.
    #[error("no certificate found; expected `-----BEGIN CERTIFICATE-----`")]
    Empty,
    /// A certificate was not signed by the one behind it.
    #[error(
        "certificate {position} was not issued by the next one; put the key's own first, then each issuer"
    )]
    Issuer {
        /// Which certificate.
        position: usize,
    },
    /// A block of another kind, such as a private key.
    #[error("the file holds `{0}`; give a file with certificates only")]
    Label(String),
    /// Not a DER X.509 certificate.
    #[error("certificate {position} is not well-formed X.509")]
    Malformed {
        /// Which certificate.
        position: usize,
    },
    /// The first certificate has another public key.
    #[error(
        "the first certificate belongs to another key; give the chain of this key, its own certificate first"
    )]
    OtherKey,
    /// A certificate is too long.
    #[error("certificate {position} is longer than {limit} bytes")]
    TooLong {
        /// Which certificate.
        position: usize,
        /// The bound, in bytes of DER.
        limit: usize,
    },
    /// Too many certificates.
    #[error("there are more than {limit} certificates; give the chain of the key alone")]
    TooMany {
        /// The bound.
        limit: usize,
    },
    /// The text is too long.
    #[error("the text is longer than {limit} bytes; give the chain of the key alone")]
    TooMuchText {
        /// The bound, in bytes.
        limit: usize,
    },
    /// The certificate is for other uses than signatures.
    #[error("the first certificate does not allow signatures: its key usage lacks digitalSignature")]
    Usage,
}

/// A token can't be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// OpenSSL failed to sign.
    #[error("OpenSSL could not sign: {0}")]
    Backend(String),
    /// The token would be longer than verifiers accept.
    #[error("the signed token would be longer than {limit} characters")]
    TooLong {
        /// The bound, in characters.
        limit: usize,
    },
    /// The `typ` is not a media subtype.
    #[error("`typ` must be 1 to 64 characters of A-Z a-z 0-9 + - . /")]
    Typ,
}

/// A token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The `alg` of the token is not the algorithm of the key.
    #[error("`alg` is not the algorithm of key {kid}, {alg}")]
    Alg {
        /// The key that the token names.
        kid: Kid,
        /// Its only algorithm.
        alg: SigningAlg,
    },
    /// A part is not base64url without padding.
    #[error("the {0} is not base64url without padding")]
    Base64(&'static str),
    /// Not three parts separated by two dots.
    #[error("not a compact JWS: it must have three parts")]
    Format,
    /// The header is not an object with the members required, each once.
    #[error("the header is malformed: {0}")]
    Header(&'static str),
    /// A header member that is never accepted.
    #[error("the header member `{0}` is not accepted")]
    HeaderMember(&'static str),
    /// No key of that id.
    #[error("no key has the id {0}")]
    KeyUnknown(Kid),
    /// The signature has the wrong form or does not match.
    #[error("the signature is wrong")]
    Signature,
    /// The token is too long.
    #[error("the token is longer than {limit} characters")]
    TooLong {
        /// The bound, in characters.
        limit: usize,
    },
    /// The token is of another kind.
    #[error("`typ` is not the kind of token expected here")]
    Typ,
}

/// A record can't be encrypted or decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    /// OpenSSL failed to encrypt.
    #[error("OpenSSL could not encrypt the record: {0}")]
    Backend(String),
    /// The record is damaged, forged or not one of ours.
    #[error("the encrypted record is damaged or was not written by this server")]
    Corrupt,
    /// The purpose has the wrong form.
    #[error("a purpose is 1 to 192 characters of A-Z a-z 0-9 _ - . : /")]
    Purpose,
    /// The record is too long.
    #[error("the record is longer than {limit} bytes")]
    TooLong {
        /// The bound, in bytes.
        limit: usize,
    },
    /// The record was encrypted with another key-encryption key.
    #[error("the record needs the key-encryption key {wanted}; configure that key")]
    WrongKey {
        /// Id of the key that encrypted it.
        wanted: KekId,
    },
    /// The record was encrypted for another use.
    #[error("the encrypted record belongs to another place")]
    WrongPurpose,
}
