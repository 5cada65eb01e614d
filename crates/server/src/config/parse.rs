//! Text to typed values. Every parser names what is wrong; the remedy is the kind's, unless it knows better.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use symbolon_jose::{KeyEncryptionKey, KeyError, SigningAlg};
use tracing_subscriber::EnvFilter;

use super::issuer::Issuer;
use super::kind::{Kind, duration_text};
use super::settings::{LogFormat, RedisMode};

/// Longest list of networks.
const NETWORKS: usize = 64;
/// Longest text of a path, a URL or a filter, in bytes.
const TEXT_BYTES: usize = 4096;

/// Why a value is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) wrong: String,
    /// `None`: the kind's own words.
    pub(super) remedy: Option<String>,
}

impl From<String> for Problem {
    fn from(wrong: String) -> Self {
        Self { wrong, remedy: None }
    }
}

/// The signature that all parsers share.
pub(super) type Parser<T> = fn(Kind, &str) -> Result<T, Problem>;

pub(super) fn boolean(kind: Kind, text: &str) -> Result<bool, Problem> {
    text.parse()
        .map_err(|_| format!("{} is neither true nor false", kind.quoted(text)).into())
}

pub(super) fn integer<T: TryFrom<u64>>(kind: Kind, text: &str) -> Result<T, Problem> {
    let not_a_number = || format!("{} is not a whole number", kind.quoted(text));
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_a_number().into());
    }
    let Kind::Integer { min, max } = kind else {
        return Err(not_a_number().into());
    };
    let number = match text.parse::<u64>() {
        _ if text.starts_with('-') => return Err(format!("{text} is below the minimum of {min}").into()),
        Ok(number) if number < min => return Err(format!("{number} is below the minimum of {min}").into()),
        Ok(number) if number <= max => number,
        _ => return Err(format!("{} is above the maximum of {max}", kind.quoted(text)).into()),
    };
    T::try_from(number).map_err(|_| format!("{number} is too large for this machine").into())
}

pub(super) fn duration(kind: Kind, text: &str) -> Result<Duration, Problem> {
    let quoted = kind.quoted(text);
    let parsed = humantime::parse_duration(text)
        .map_err(|error| Problem::from(format!("{quoted} is not a duration: {error}")))?;
    let Kind::Duration { min, max, step } = kind else {
        return Ok(parsed);
    };
    if parsed < min {
        return Err(format!("{quoted} is below the minimum of {}", duration_text(min)).into());
    }
    if parsed > max {
        return Err(format!("{quoted} is above the maximum of {}", duration_text(max)).into());
    }
    if !parsed.as_nanos().is_multiple_of(step.as_nanos()) {
        return Err(format!("{quoted} is too fine, the finest step is {}", duration_text(step)).into());
    }
    Ok(parsed)
}

pub(super) fn socket_address(kind: Kind, text: &str) -> Result<SocketAddr, Problem> {
    text.parse()
        .map_err(|_| format!("{} is not an IP address and a port", kind.quoted(text)).into())
}

pub(super) fn networks(kind: Kind, text: &str) -> Result<Vec<IpNet>, Problem> {
    let items = list(text);
    if items.len() > NETWORKS {
        return Err(format!("it lists {} networks, more than {NETWORKS}", items.len()).into());
    }
    items.into_iter().map(|item| network(kind, item)).collect()
}

fn network(kind: Kind, item: &str) -> Result<IpNet, Problem> {
    let quoted = kind.quoted(item);
    let network = item
        .parse::<IpNet>()
        .or_else(|_| item.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| Problem::from(format!("{quoted} is neither a network nor an address")))?;
    if network.prefix_len() == 0 {
        return Err(Problem {
            wrong: format!("{quoted} trusts every address there is"),
            remedy: Some("list the networks of the proxies alone".to_owned()),
        });
    }
    if network.trunc() != network {
        return Err(Problem {
            wrong: format!("{quoted} has bits set beyond its prefix"),
            remedy: Some(format!("write {} or {}", network.trunc(), network.addr())),
        });
    }
    Ok(network)
}

pub(super) fn path(kind: Kind, text: &str) -> Result<PathBuf, Problem> {
    Ok(PathBuf::from(bounded(kind, text)?))
}

pub(super) fn command(kind: Kind, text: &str) -> Result<&str, Problem> {
    bounded(kind, text)
}

pub(super) fn issuer(_: Kind, text: &str) -> Result<Issuer, Problem> {
    Issuer::parse(text)
}

pub(super) fn algorithm(kind: Kind, text: &str) -> Result<SigningAlg, Problem> {
    text.parse()
        .map_err(|_| format!("{} is not a supported signing algorithm", kind.quoted(text)).into())
}

pub(super) fn algorithms(kind: Kind, text: &str) -> Result<Vec<SigningAlg>, Problem> {
    let mut seen = Vec::new();
    for item in list(text) {
        let algorithm = algorithm(kind, item)?;
        if seen.contains(&algorithm) {
            return Err(format!("{algorithm} is listed twice").into());
        }
        seen.push(algorithm);
    }
    if seen.is_empty() {
        return Err("the list is empty".to_owned().into());
    }
    Ok(seen)
}

pub(super) fn log_format(kind: Kind, text: &str) -> Result<LogFormat, Problem> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err(format!("{} is not a log format", kind.quoted(text)).into()),
    }
}

pub(super) fn redis_mode(kind: Kind, text: &str) -> Result<RedisMode, Problem> {
    match text {
        "cluster" => Ok(RedisMode::Cluster),
        "sentinel" => Ok(RedisMode::Sentinel),
        "single" => Ok(RedisMode::Single),
        _ => Err(format!("{} is not a mode of Redis", kind.quoted(text)).into()),
    }
}

pub(super) fn password(kind: Kind, text: &str) -> Result<SecretString, Problem> {
    Ok(bounded(kind, text.trim())?.into())
}

pub(super) fn word(kind: Kind, text: &str) -> Result<String, Problem> {
    let Kind::Word { max, braces } = kind else {
        return Ok(bounded(kind, text)?.to_owned());
    };
    if text.is_empty() {
        return Err("it is empty".to_owned().into());
    }
    if text.len() > max {
        return Err(format!("it is {} bytes long, more than {max}", text.len()).into());
    }
    match text
        .chars()
        .find(|character| !character.is_ascii_graphic() || (!braces && "{}".contains(*character)))
    {
        Some(character) => Err(format!("{} holds {character:?}", kind.quoted(text)).into()),
        None => Ok(text.to_owned()),
    }
}

/// A bare word must be a level: as a filter directive, a misspelt level would be taken for a module's name
/// and silence everything else.
pub(super) fn log_filter(kind: Kind, text: &str) -> Result<String, Problem> {
    const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
    bounded(kind, text)?;
    for directive in text.split(',') {
        let bare = !directive.contains(['=', '[', ':']);
        if bare && !LEVELS.contains(&directive.trim()) {
            return Err(format!("{} is not a log level", kind.quoted(directive)).into());
        }
    }
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("{} is not a tracing filter", kind.quoted(text)).into()),
    }
}

pub(super) fn encryption_key(_: Kind, text: &str) -> Result<KeyEncryptionKey, Problem> {
    let wrong = |error| match error {
        KeyError::KekNotRandom => "all its bytes are the same: it is a placeholder, not a key",
        _ => "it is not 32 bytes in base64",
    };
    KeyEncryptionKey::from_base64(text).map_err(|error| Problem {
        wrong: wrong(error).to_owned(),
        remedy: Some("make a key with `openssl rand -base64 32` and keep it in a file of its own".to_owned()),
    })
}

/// The items of a list, which is written with commas; an empty text is an empty list.
fn list(text: &str) -> Vec<&str> {
    if text.trim().is_empty() {
        Vec::new()
    } else {
        text.split(',').map(str::trim).collect()
    }
}

pub(super) fn bounded(kind: Kind, text: &str) -> Result<&str, Problem> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned().into());
    }
    if text.len() > TEXT_BYTES {
        return Err(format!("it is {} bytes long, more than {TEXT_BYTES}", text.len()).into());
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{} holds control characters", kind.quoted(text)).into());
    }
    Ok(text)
}
