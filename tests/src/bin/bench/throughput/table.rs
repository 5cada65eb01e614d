//! The table of results.

use super::{Round, Target};
use crate::statistics::median;

/// From this share of its core on the load generator, not the server, may have set the pace.
const SATURATED: f64 = 0.97;
/// Below this share of its core the server was waiting for something.
const BUSY: f64 = 0.9;

/// What is compared within each round, where both were measured within a minute.
const PAIRS: [(Target, Target); 5] = [
    (Target::ClientCredentials, Target::SignOnly),
    (Target::RefreshOnRedis, Target::AskAndSign),
    (Target::Jwks, Target::Constant),
    (Target::Jwks304, Target::Constant),
    (Target::Jwks304, Target::Jwks),
];

/// A target with the rounds of it.
pub(super) struct Measured {
    pub(super) target: Target,
    pub(super) rounds: Vec<Round>,
}

impl Measured {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target,
            rounds: Vec::new(),
        }
    }
}

/// Medians over the rounds of one target.
struct Row {
    target: Target,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    server_share: f64,
    load_share: f64,
    /// Microseconds of processor time that the server used for a request.
    server_us: f64,
}

impl Row {
    fn new(measured: &Measured) -> Self {
        let median_of = |value: fn(&Round) -> f64| median(measured.rounds.iter().map(value).collect());
        Self {
            target: measured.target,
            per_second: median_of(|round| round.per_second),
            p50_ms: median_of(|round| round.latencies.percentile_ms(50)),
            p99_ms: median_of(|round| round.latencies.percentile_ms(99)),
            server_share: median_of(|round| round.server_share),
            load_share: median_of(|round| round.load_share),
            server_us: median_of(Round::server_us),
        }
    }
}

/// The medians of each target, and how those that are compared did in each round.
pub(super) fn markdown(measured: &[Measured]) -> String {
    let rows: Vec<_> = measured.iter().map(Row::new).collect();
    format!("{}{}", table(&rows), ratios(measured))
}

/// The table of `rows`, each compared with the two bare handlers.
fn table(rows: &[Row]) -> String {
    let rate = |target| {
        let row = rows.iter().find(|row| row.target == target);
        row.map_or(f64::NAN, |row| row.per_second)
    };
    let (constant, sign_only) = (rate(Target::Constant), rate(Target::SignOnly));
    let mut text = "| Target | requests/s | p50 ms | p99 ms | to (a) | to (b) | server CPU | load CPU | server us/request |\n\
                    |---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for row in rows {
        text += &format!(
            "| {} | {:.0} | {:.2} | {:.2} | {} | {} | {:.0} % | {:.0} % | {:.2} |\n",
            row.target.name(),
            row.per_second,
            row.p50_ms,
            row.p99_ms,
            ratio(row.per_second / constant),
            ratio(row.per_second / sign_only),
            row.server_share * 100.0,
            row.load_share * 100.0,
            row.server_us,
        );
    }
    text + &caveats(rows)
}

fn ratio(value: f64) -> String {
    if value.is_nan() {
        "-".to_owned()
    } else {
        format!("{value:.2}")
    }
}

/// The table of [`PAIRS`]: minutes differ more than targets do, so each round is compared with itself.
fn ratios(measured: &[Measured]) -> String {
    let rounds = |target| {
        let found = measured.iter().find(|measured| measured.target == target);
        found.map(|measured| measured.rounds.iter())
    };
    let mut text = String::new();
    for (target, to) in PAIRS {
        let Some(pairs) = rounds(target).zip(rounds(to)) else {
            continue;
        };
        let (rates, costs): (Vec<_>, Vec<_>) = std::iter::zip(pairs.0, pairs.1)
            .map(|(round, to)| {
                (
                    round.per_second / to.per_second,
                    round.server_us() / to.server_us(),
                )
            })
            .unzip();
        let lowest = rates.iter().copied().fold(f64::NAN, f64::min);
        let highest = rates.iter().copied().fold(f64::NAN, f64::max);
        text += &format!(
            "| {} to {} | {:.2} | {lowest:.2} | {highest:.2} | {:.2} |\n",
            target.name(),
            to.name(),
            median(rates),
            median(costs),
        );
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "\n| Ratio within each round | requests/s, median | lowest | highest | server us/request, median |\n\
         |---|---:|---:|---:|---:|\n{text}"
    )
}

/// What a reader of the figures has to know.
fn caveats(rows: &[Row]) -> String {
    let mut text = String::new();
    let names = |wanted: fn(&Row) -> bool| {
        let names: Vec<_> = rows
            .iter()
            .filter(|row| wanted(row))
            .map(|row| row.target.name())
            .collect();
        names.join("; ")
    };
    let saturated = names(|row| row.load_share >= SATURATED);
    if !saturated.is_empty() {
        text += &format!(
            "\n**The load generator used up its core for {saturated}: these servers could do more than is shown.**\n"
        );
    }
    let waiting = names(|row| row.load_share < SATURATED && row.server_share < BUSY);
    if !waiting.is_empty() {
        text += &format!(
            "\n**The server did not use up its core for {waiting}: it waited for storage, or other programs ran on \
             these cores.**\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(target: Target, per_second: &[f64], server_share: f64, load_share: f64) -> Measured {
        let round = |per_second: &f64| Round {
            per_second: *per_second,
            latencies: vec![1000, 2000].into(),
            server_share,
            load_share,
        };
        Measured {
            target,
            rounds: per_second.iter().map(round).collect(),
        }
    }

    #[test]
    fn compares_with_the_bare_handlers() {
        let text = markdown(&[
            measured(Target::Constant, &[1000.0], 1.0, 0.5),
            measured(Target::SignOnly, &[500.0], 1.0, 0.5),
            measured(Target::Jwks, &[400.0], 1.0, 0.5),
        ]);
        assert!(
            text.contains("| JWKS | 400 | 1.00 | 2.00 | 0.40 | 0.80 | 100 % | 50 % | 2500.00 |\n"),
            "{text}"
        );
        assert!(!text.contains("**"), "{text}");
        let alone = markdown(&[measured(Target::Jwks, &[400.0], 1.0, 0.5)]);
        assert!(
            alone.contains("| JWKS | 400 | 1.00 | 2.00 | - | - | 100 % | 50 % | 2500.00 |\n"),
            "{alone}"
        );
        assert!(!alone.contains("Ratio"), "{alone}");
    }

    #[test]
    fn compares_each_round_with_itself() {
        let text = markdown(&[
            measured(Target::Constant, &[1000.0, 2000.0, 400.0], 1.0, 0.5),
            measured(Target::Jwks, &[900.0, 1000.0, 400.0], 1.0, 0.5),
            measured(Target::Jwks304, &[900.0, 2000.0, 480.0], 1.0, 0.5),
        ]);
        for line in [
            "| JWKS to (a) bare handler, constant | 0.90 | 0.50 | 1.00 | 1.11 |\n",
            "| JWKS, 304 to (a) bare handler, constant | 1.00 | 0.90 | 1.20 | 1.00 |\n",
            "| JWKS, 304 to JWKS | 1.20 | 1.00 | 2.00 | 0.83 |\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("client_credentials"), "{text}");
    }

    #[test]
    fn says_when_the_load_generator_was_the_limit() {
        let text = markdown(&[
            measured(Target::Constant, &[1000.0], 1.0, 0.99),
            measured(Target::SignOnly, &[500.0], 1.0, 0.5),
        ]);
        assert!(
            text.contains("used up its core for (a) bare handler, constant:"),
            "{text}"
        );
    }

    #[test]
    fn says_when_neither_was_the_limit() {
        let text = markdown(&[
            measured(Target::Constant, &[1000.0], 1.0, 0.5),
            measured(Target::Jwks, &[500.0], 0.5, 0.5),
        ]);
        assert!(text.contains("did not use up its core for JWKS:"), "{text}");
    }
}
