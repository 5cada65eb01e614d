//! "Did you mean": the known name that is nearest to an unknown one.

/// Longest name for which a neighbour is looked for, in bytes.
const NAME_BYTES: usize = 100;

/// The candidate that the operator most likely meant: few edits away, or the same name in another section.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_BYTES {
        return None;
    }
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let (distance, candidate) = candidates
        .map(|candidate| match strsim::osa_distance(name, candidate) {
            distance if distance > allowance(name) && last(name) == last(candidate) => {
                (allowance(name), candidate)
            }
            distance => (distance, candidate),
        })
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= allowance(name)).then_some(candidate)
}

/// `; did you mean X?`, or nothing: the end of a sentence.
pub(super) fn hint<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |candidate| format!("; did you mean `{candidate}`?"))
}

/// Edits that a name of this length may be away.
fn allowance(name: &str) -> usize {
    match name.chars().count() {
        0..=4 => 1,
        5..=8 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_misspelt_and_misplaced_names() {
        let keys = || ["issuer", "tokens.session_lifetime", "log.level"].into_iter();
        assert_eq!(nearest("isuser", keys()), Some("issuer"));
        assert_eq!(
            nearest("tokens.sesion_lifetime", keys()),
            Some("tokens.session_lifetime")
        );
        assert_eq!(
            nearest("session_lifetime", keys()),
            Some("tokens.session_lifetime")
        );
        assert_eq!(nearest("server.issuer", keys()), Some("issuer"));
        assert_eq!(nearest("database.password", keys()), None);
        assert_eq!(nearest(&"x".repeat(10_000), keys()), None);
    }
}
