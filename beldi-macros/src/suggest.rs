//! "Did you mean": the known word nearest to an unknown one.

/// The word that a typing slip most likely stood for, if any is near enough.
pub(crate) fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, word) = known.iter().map(|word| (distance(unknown, word), *word)).min()?;
    (distance <= 1 + word.len() / 4).then_some(word)
}

/// Levenshtein's distance, one row at a time.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.chars().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const OPTIONS: &[&str] = &["name", "read_only", "service", "crate"];

    #[test]
    fn a_slip_finds_its_word() {
        assert_eq!(nearest("readonly", OPTIONS), Some("read_only"));
        assert_eq!(nearest("nmae", OPTIONS), Some("name"));
        assert_eq!(nearest("servise", OPTIONS), Some("service"));
    }

    #[test]
    fn another_word_finds_none() {
        assert_eq!(nearest("retries", OPTIONS), None);
        assert_eq!(nearest("id", OPTIONS), None);
    }
}
