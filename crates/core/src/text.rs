//! What text holds that nobody sees.

/// Whether nobody sees a character, so that two texts that differ in it look alike, or are shown in another order: the
/// default-ignorable code points (Unicode 16.0, `Default_Ignorable_Code_Point` in
/// [DerivedCoreProperties.txt](https://www.unicode.org/Public/16.0.0/ucd/DerivedCoreProperties.txt), 4,174 of them, among them
/// zero-width characters, direction marks, fillers and variation selectors), the separators of lines and paragraphs (U+2028,
/// U+2029) and the annotation marks (U+FFF9 to U+FFFB). Control characters and white space are not among them.
pub fn is_unseen(c: char) -> bool {
    is_ignorable(c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FFF9}'..='\u{FFFB}')
}

fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_default_ignorable_code_points_are_there_and_nothing_that_is_seen() {
        let all = ('\0'..=char::MAX).filter(|c| is_ignorable(*c));
        assert_eq!(
            all.count(),
            4174,
            "the total that DerivedCoreProperties.txt states"
        );
        for unseen in [
            '\u{61C}',
            '\u{3164}',
            '\u{FE0F}',
            '\u{E0041}',
            '\u{202E}',
            '\u{2028}',
            '\u{FFFB}',
        ] {
            assert!(is_unseen(unseen), "{unseen:?}");
        }
        for seen in ['a', 'ä', 'א', '語', '\u{301}', '\u{1F600}', '-'] {
            assert!(!is_unseen(seen), "{seen:?}");
        }
    }
}
