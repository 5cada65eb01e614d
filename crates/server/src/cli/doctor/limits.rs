//! What the system allows this process.

use rustix::process::{Resource, getrlimit};

use super::check::{Check, Name};
use crate::config::Settings;

/// Files that a server has open besides connections: the database, logs, certificates.
const OTHER_FILES: u64 = 256;

/// Whether as many files may be open as there may be connections. The server raises its soft limit to the hard one.
pub(super) fn open_files(settings: Option<&Settings>) -> Check {
    let limit = getrlimit(Resource::Nofile).maximum;
    judge(limit, settings.map(|settings| settings.server.max_connections))
}

fn judge(limit: Option<u64>, max_connections: Option<usize>) -> Check {
    let name = Name::LimitsOpenFiles;
    let connections = max_connections.map_or(0, |connections| u64::try_from(connections).unwrap_or(u64::MAX));
    let wanted = connections.saturating_add(OTHER_FILES);
    let Some(limit) = limit.filter(|limit| *limit < wanted) else {
        let limit = limit.map_or_else(|| "no limit".to_owned(), |limit| format!("{limit} files"));
        return Check::ok(
            name,
            format!("{limit} by the hard limit of this process, of {wanted} that are needed"),
        );
    };
    Check::warning(
        name,
        format!(
            "the hard limit of this process is {limit} files, and {wanted} are needed for `server.max_connections` \
             and the rest"
        ),
        "raise the hard limit of open files where the server is started (LimitNOFILE, ulimit -Hn), or lower \
         `server.max_connections`",
    )
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn connections_and_the_rest_must_fit_into_the_hard_limit() {
        for (limit, connections, outcome) in [
            (Some(10_256), Some(10_000), Outcome::Ok),
            (Some(10_255), Some(10_000), Outcome::Warning),
            (None, Some(usize::MAX), Outcome::Ok),
            (Some(256), None, Outcome::Ok),
            (Some(255), None, Outcome::Warning),
        ] {
            let check = judge(limit, connections);
            assert_eq!(check.outcome, outcome, "{check:?}");
        }
        let check = judge(Some(1024), Some(10_000));
        assert!(check.detail.contains("1024 files, and 10256 are needed"));
        assert!(check.remedy.unwrap().contains("LimitNOFILE"));
    }

    #[test]
    fn the_limit_is_the_one_of_this_process() {
        let check = open_files(None);
        let limit = getrlimit(Resource::Nofile).maximum;
        let limit = limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
        assert!(check.detail.contains(&limit), "{check:?}");
    }
}
