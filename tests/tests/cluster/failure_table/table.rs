//! The table as it stands in the text.

use std::collections::BTreeSet;
use std::path::Path;

/// Below this heading stands the table.
const HEADING: &str = "### On PostgreSQL and Redis";
/// The column that says what is usual.
const WELL: &str = "all is well";

/// The table.
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// What a cell says: an answer, or one that comes to hold within a time, and until then another or the usual one.
#[derive(Debug)]
pub(super) struct Said {
    /// The cell's text.
    pub(super) text: String,
    lasting: String,
    meanwhile: Vec<String>,
}

impl Said {
    fn parse(text: &str, usual: &str) -> Self {
        let Some((answer, _time)) = text.split_once(" after ") else {
            return Self {
                text: text.to_owned(),
                lasting: text.to_owned(),
                meanwhile: Vec::new(),
            };
        };
        let (before, lasting) = answer.rsplit_once(", then ").unwrap_or((usual, answer));
        Self {
            text: text.to_owned(),
            lasting: lasting.to_owned(),
            meanwhile: before.split(" or ").map(str::to_owned).collect(),
        }
    }

    /// Whether an answer is what the cell says, once the condition is lasting or before.
    pub(super) fn allows(&self, answer: &str, lasting: bool) -> bool {
        answer == self.lasting || !lasting && self.meanwhile.iter().any(|said| said == answer)
    }
}

impl Table {
    pub(super) fn read() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
        let text = std::fs::read_to_string(file).unwrap();
        let (_, below) = text.split_once(HEADING).expect("the heading of the table");
        let mut rows = below
            .lines()
            .skip_while(|line| !line.starts_with('|'))
            .take_while(|line| line.starts_with('|'))
            .map(cells);
        let columns = rows.next().expect("a table");
        let rows: Vec<_> = rows.skip(1).collect();
        for row in &rows {
            assert_eq!(row.len(), columns.len(), "{row:?}");
        }
        Self { columns, rows }
    }

    /// Every row and column of the text is tested, and none is tested that does not stand there.
    pub(super) fn assert_complete(&self, rows: &[&str], columns: &[&str]) {
        let stand: BTreeSet<_> = self.rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(stand, rows.iter().copied().collect());
        let stand: BTreeSet<_> = self.columns[1..].iter().map(String::as_str).collect();
        assert_eq!(stand, columns.iter().copied().collect());
        assert_eq!(
            (stand.len(), self.rows.len()),
            (self.columns.len() - 1, rows.len())
        );
    }

    pub(super) fn cell(&self, row: &str, column: &str) -> Said {
        let row = self.rows.iter().find(|cells| cells[0] == row).unwrap();
        let at = |column: &str| self.columns.iter().position(|heading| heading == column);
        Said::parse(&row[at(column).unwrap()], &row[at(WELL).unwrap()])
    }
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_matches('|');
    inner.split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn a_cell_says_what_lasts_and_what_holds_before() {
    let said = |text| Said::parse(text, "200");
    assert!(said("503").allows("503", false) && !said("503").allows("200", false));
    let later = said("503 after 1 s");
    assert!(later.allows("200", false) && later.allows("503", false) && !later.allows("202", false));
    assert!(later.allows("503", true) && !later.allows("200", true));
    let other = said("202 or 400, then 503 after 1 s");
    assert!(other.allows("202", false) && other.allows("400", false) && !other.allows("200", false));
    assert!(other.allows("503", true) && !other.allows("202", true));
}
