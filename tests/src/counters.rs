use prometheus_client::registry::Registry;

use crate::harness::Harness;

impl Harness {
    /// The sum over all nodes of all samples of the metric `name`, without its prefix, whose labels hold every text in `labels`.
    ///
    /// # Panics
    /// The metrics can't be read.
    pub fn counted(&self, name: &str, labels: &[&str]) -> u64 {
        self.counted_by_node(name, labels).into_iter().sum()
    }

    /// The same, of each node by itself.
    ///
    /// # Panics
    /// The metrics can't be read.
    pub fn counted_by_node(&self, name: &str, labels: &[&str]) -> Vec<u64> {
        self.nodes()
            .map(|node| counted(&node.registry, name, labels))
            .collect()
    }

    /// How many uses of refresh tokens came to that outcome, as the metrics of all nodes tell it.
    pub fn rotations(&self, outcome: &str) -> u64 {
        self.counted("refresh_rotations_total", &[&format!("outcome=\"{outcome}\"")])
    }
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
fn counted(registry: &Registry, name: &str, labels: &[&str]) -> u64 {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).expect("text");
    let prefix = format!("symbolon_{name}");
    text.lines()
        .filter(|line| {
            line.strip_prefix(&prefix)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        })
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}
