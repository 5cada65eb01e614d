use crate::harness::Harness;

impl Harness {
    /// The sum over all nodes of all samples of the metric `name`, without its prefix, whose labels hold every text in `labels`.
    ///
    /// # Panics
    /// The metrics can't be read.
    #[expect(
        clippy::expect_used,
        reason = "test support: whatever fails here is a failed test"
    )]
    pub fn counted(&self, name: &str, labels: &[&str]) -> u64 {
        let mut text = String::new();
        for node in [Some(&self.node), self.other.as_ref()].into_iter().flatten() {
            prometheus_client::encoding::text::encode(&mut text, &node.registry).expect("text");
        }
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
}
