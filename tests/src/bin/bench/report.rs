//! Results as Markdown, and their place in a document.

use std::path::Path;

use anyhow::{Context as _, bail};

/// What a measurement found.
pub(crate) struct Report {
    pub(crate) markdown: String,
    /// Why the run does not count; empty if it does.
    pub(crate) failures: Vec<String>,
}

/// Puts `markdown` between `<!-- section:start -->` and `<!-- section:end -->` in the file `path`. A file without
/// these markers gets them at its end; a file that is absent is made.
///
/// # Errors
/// If the file cannot be read or written, or has one marker without the other.
pub(crate) fn write_section(path: &Path, section: &str, markdown: &str) -> anyhow::Result<()> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let text = replace_section(&text, section, markdown).with_context(|| path.display().to_string())?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn replace_section(text: &str, section: &str, markdown: &str) -> anyhow::Result<String> {
    let (start, end) = (
        format!("<!-- {section}:start -->"),
        format!("<!-- {section}:end -->"),
    );
    let block = format!("{start}\n\n{}\n\n{end}", markdown.trim());
    match (text.find(&start), text.find(&end)) {
        (None, None) if text.is_empty() => Ok(format!("{block}\n")),
        (None, None) => Ok(format!("{}\n\n{block}\n", text.trim_end())),
        (Some(from), Some(to)) if from < to => {
            Ok(format!("{}{block}{}", &text[..from], &text[to + end.len()..]))
        }
        _ => bail!("{start} and {end} have to stand in this order, or not at all"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_only_between_its_markers() {
        let first = replace_section("# Speed\n", "bench", "one").unwrap();
        assert_eq!(
            first,
            "# Speed\n\n<!-- bench:start -->\n\none\n\n<!-- bench:end -->\n"
        );
        let both = replace_section(&first, "bench-storm", "storm").unwrap() + "\nafter\n";
        let second = replace_section(&both, "bench", "two").unwrap();
        assert_eq!(second, both.replace("one", "two"));
        assert_eq!(
            replace_section("", "bench", "one").unwrap(),
            first.replace("# Speed\n\n", "")
        );
    }

    #[test]
    fn refuses_half_a_pair_of_markers() {
        for text in [
            "<!-- bench:start -->",
            "<!-- bench:end -->",
            "<!-- bench:end --><!-- bench:start -->",
        ] {
            assert!(replace_section(text, "bench", "one").is_err(), "{text}");
        }
    }
}
