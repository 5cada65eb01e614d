//! What the storms did, in words and figures.

use super::{Answer, Findings, Options};
use crate::machine;
use crate::process::Cores;
use crate::report::Report;
use crate::statistics::{Latencies, median};

pub(super) fn report(options: &Options, cores: &Cores, findings: &Findings) -> Report {
    let (before, during) = (&findings.before, &findings.during);
    let ratio = |percent| during.percentile_ms(percent) / before.percentile_ms(percent);
    let memory = (findings.memory_before, findings.memory_after);
    let lengths = findings
        .storms
        .iter()
        .map(|storm| (storm.end - storm.begin).as_secs_f64())
        .collect();
    let markdown = format!(
        "{facts}- Method: {storms} storms of {logins} logins, all sockets connected first, then all requests sent at \
         once; beside them {sessions} sessions that refresh every {period} ms, come what may (open loop), for {seconds} s \
         before each storm and throughout it; the server may open {files} files\n\
         \n\
         | Refresh | requests | p50 ms | p99 ms | max ms |\n\
         |---|---:|---:|---:|---:|\n\
         {before_row}{during_row}\
         | ratio | | {ratio50:.2} | {ratio99:.2} | {ratio100:.2} |\n\
         \n\
         {logins_table}\
         \n\
         - A storm took {length:.2} s (median)\n\
         - Refreshes not answered with 200: {refresh_failures}\n\
         - Peak memory of the server: {peak_before:.1} MiB before, {peak_after:.1} MiB after ({growth:+.1} MiB)\n",
        facts = machine::facts(cores),
        storms = options.rounds,
        logins = options.logins,
        sessions = options.sessions,
        period = options.period_ms,
        seconds = options.seconds,
        files = findings.open_file_limit,
        before_row = row("before", before),
        during_row = row("during", during),
        ratio50 = ratio(50),
        ratio99 = ratio(99),
        ratio100 = ratio(100),
        logins_table = logins_table(findings),
        length = median(lengths),
        refresh_failures = refresh_failures(findings),
        peak_before = mebibytes(memory.0.peak),
        peak_after = mebibytes(memory.1.peak),
        growth = mebibytes(memory.1.peak) - mebibytes(memory.0.peak),
    );
    Report {
        markdown,
        failures: failures(findings),
    }
}

/// What must not happen, however hard the storm.
fn failures(findings: &Findings) -> Vec<String> {
    let mut failures = Vec::new();
    if !findings.refresh_failures.is_empty() {
        failures.push(format!("refreshes failed: {}", refresh_failures(findings)));
    }
    let logins = latencies_by_answer(findings);
    let count = |answer: &Answer| {
        logins
            .iter()
            .find(|(one, _)| one == answer)
            .map_or(0, |(_, all)| all.count())
    };
    if count(&Answer::Shed { retry_after: false }) > 0 {
        failures.push("a 503 without Retry-After".to_owned());
    }
    if count(&Answer::Granted) == 0 {
        failures.push("no login was granted".to_owned());
    }
    for (answer, latencies) in &logins {
        if matches!(answer, Answer::OtherStatus(_) | Answer::None) {
            failures.push(format!(
                "{} logins ended with {}",
                latencies.count(),
                name(answer)
            ));
        }
    }
    if findings.during.count() == 0 {
        failures.push("no refresh began during a storm".to_owned());
    }
    failures
}

/// Latencies of the logins of all storms, by answer.
fn latencies_by_answer(findings: &Findings) -> Vec<(Answer, Latencies)> {
    let mut all = std::collections::BTreeMap::<Answer, Vec<u32>>::new();
    for (answer, latencies) in findings.storms.iter().flat_map(|storm| &storm.logins) {
        all.entry(answer.clone()).or_default().extend(latencies);
    }
    all.into_iter()
        .map(|(answer, latencies)| (answer, latencies.into()))
        .collect()
}

fn logins_table(findings: &Findings) -> String {
    let mut text = "| Login | requests | p50 ms | p99 ms | max ms |\n|---|---:|---:|---:|---:|\n".to_owned();
    for (answer, latencies) in latencies_by_answer(findings) {
        text += &row(&name(&answer), &latencies);
    }
    text
}

fn name(answer: &Answer) -> String {
    match answer {
        Answer::Granted => "200".to_owned(),
        Answer::Shed { retry_after: true } => "503 with `Retry-After`".to_owned(),
        Answer::Shed { retry_after: false } => "503 WITHOUT `Retry-After`".to_owned(),
        Answer::OtherStatus(status) => format!("{status}"),
        Answer::None => "no answer".to_owned(),
    }
}

fn row(name: &str, latencies: &Latencies) -> String {
    format!(
        "| {name} | {} | {:.2} | {:.2} | {:.2} |\n",
        latencies.count(),
        latencies.percentile_ms(50),
        latencies.percentile_ms(99),
        latencies.percentile_ms(100),
    )
}

fn refresh_failures(findings: &Findings) -> String {
    if findings.refresh_failures.is_empty() {
        return "none".to_owned();
    }
    let each: Vec<_> = findings
        .refresh_failures
        .iter()
        .map(|(what, count)| format!("{count} x {what}"))
        .collect();
    each.join(", ")
}

fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Instant;

    use super::*;
    use crate::process::Memory;
    use crate::storm::Storm;

    fn findings(logins: &[(Answer, u32)], refresh_failures: &[(&str, u64)]) -> Findings {
        let now = Instant::now();
        let logins: BTreeMap<_, _> = logins
            .iter()
            .map(|(answer, latency)| (answer.clone(), vec![*latency]))
            .collect();
        let memory = Memory {
            now: 1024,
            peak: 2048,
        };
        Findings {
            before: vec![1000].into(),
            during: vec![2000].into(),
            refresh_failures: refresh_failures
                .iter()
                .map(|(what, n)| ((*what).to_owned(), *n))
                .collect(),
            storms: vec![Storm {
                quiet_from: now,
                begin: now,
                end: now,
                logins,
            }],
            memory_before: memory,
            memory_after: memory,
            open_file_limit: "1024".to_owned(),
        }
    }

    const GRANTED: (Answer, u32) = (Answer::Granted, 5000);

    #[test]
    fn sheds_with_retry_after_are_no_failure() {
        let findings = findings(&[GRANTED, (Answer::Shed { retry_after: true }, 1000)], &[]);
        assert_eq!(failures(&findings), Vec::<String>::new());
        assert!(logins_table(&findings).contains("| 503 with `Retry-After` | 1 | 1.00 | 1.00 | 1.00 |"));
    }

    #[test]
    fn everything_else_is() {
        for (logins, refresh_failures, expected) in [
            (
                vec![GRANTED, (Answer::Shed { retry_after: false }, 1)],
                vec![],
                "a 503 without Retry-After",
            ),
            (
                vec![(Answer::Shed { retry_after: true }, 1)],
                vec![],
                "no login was granted",
            ),
            (
                vec![GRANTED, (Answer::OtherStatus(429), 1)],
                vec![],
                "1 logins ended with 429",
            ),
            (
                vec![GRANTED, (Answer::None, 1)],
                vec![],
                "1 logins ended with no answer",
            ),
            (
                vec![GRANTED],
                vec![("status 503", 2)],
                "refreshes failed: 2 x status 503",
            ),
        ] {
            assert_eq!(failures(&findings(&logins, &refresh_failures)), [expected]);
        }
    }
}
