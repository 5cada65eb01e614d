//! The table of results.

use super::Round;
use crate::statistics::median;

/// From this share of its core on the load generator, not the server, may have set the pace.
const SATURATED: f64 = 0.97;
/// Below this share of its core the server was waiting for something.
const BUSY: f64 = 0.9;

/// Medians over the rounds of one target.
pub(super) struct Row {
    name: &'static str,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    server_share: f64,
    load_share: f64,
}

impl Row {
    pub(super) fn new(name: &'static str, rounds: &[Round]) -> Self {
        let median_of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        Self {
            name,
            per_second: median_of(|round| round.per_second),
            p50_ms: median_of(|round| round.latencies.percentile_ms(50)),
            p99_ms: median_of(|round| round.latencies.percentile_ms(99)),
            server_share: median_of(|round| round.server_share),
            load_share: median_of(|round| round.load_share),
        }
    }
}

/// The table of `rows`, of which the first two are what the others are compared with.
pub(super) fn markdown(rows: &[Row]) -> String {
    let rate = |index: usize| rows.get(index).map_or(f64::NAN, |row: &Row| row.per_second);
    let (constant, sign_only) = (rate(0), rate(1));
    let mut text = "| Target | requests/s | p50 ms | p99 ms | to (a) | to (b) | server CPU | load CPU |\n\
                    |---|---:|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for row in rows {
        text += &format!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} % | {:.0} % |\n",
            row.name,
            row.per_second,
            row.p50_ms,
            row.p99_ms,
            row.per_second / constant,
            row.per_second / sign_only,
            row.server_share * 100.0,
            row.load_share * 100.0,
        );
    }
    let names = |wanted: fn(&Row) -> bool| {
        let names: Vec<_> = rows
            .iter()
            .filter(|row| wanted(row))
            .map(|row| row.name)
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

    fn row(name: &'static str, per_second: f64, load_share: f64) -> Row {
        Row {
            name,
            per_second,
            p50_ms: 1.0,
            p99_ms: 2.0,
            server_share: 1.0,
            load_share,
        }
    }

    #[test]
    fn compares_with_the_first_two() {
        let text = markdown(&[row("a", 1000.0, 0.5), row("b", 500.0, 0.5), row("c", 400.0, 0.5)]);
        assert!(
            text.contains("| c | 400 | 1.00 | 2.00 | 0.40 | 0.80 | 100 % | 50 % |\n"),
            "{text}"
        );
        assert!(!text.contains("**"), "{text}");
    }

    #[test]
    fn says_when_the_load_generator_was_the_limit() {
        let text = markdown(&[row("a", 1000.0, 0.99), row("b", 500.0, 0.5)]);
        assert!(text.contains("used up its core for a:"), "{text}");
    }

    #[test]
    fn says_when_neither_was_the_limit() {
        let waiting = Row {
            server_share: 0.5,
            ..row("b", 500.0, 0.5)
        };
        let text = markdown(&[row("a", 1000.0, 0.5), waiting]);
        assert!(text.contains("did not use up its core for b:"), "{text}");
    }
}
