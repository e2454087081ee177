//! What a query covers and where its pages end, for every store that keeps its keys in order.

use std::ops::Bound;

use super::{DuePage, DueQuery, Key, MAX_PAGE, Page, Query, Result, Row};

/// A place in the due index: shard, order, and the key of the row.
pub(super) type Place = (String, u64, Key);

impl Query {
    /// The keys from which the page is taken, in ascending order; `None` when there can be none.
    ///
    /// A caller's `after` may lie outside of the prefix, so the tighter bound is chosen, and a
    /// range that would end before it starts (which ordered maps refuse) is no range.
    pub(super) fn range(&self) -> Option<(Bound<Key>, Bound<Key>)> {
        let mut low = Key::new(&*self.partition, &*self.prefix);
        let mut high = end_of_prefix(&self.prefix).map_or_else(
            || Key::new(format!("{}\0", self.partition), ""),
            |end| Key::new(&*self.partition, end),
        );
        let mut low_is_read = true;
        if let Some(after) = &self.after {
            let after = Key::new(&*self.partition, &**after);
            if self.descending {
                high = high.min(after);
            } else if after >= low {
                (low, low_is_read) = (after, false);
            }
        }
        (low < high).then(|| {
            let low = if low_is_read { Bound::Included(low) } else { Bound::Excluded(low) };
            (low, Bound::Excluded(high))
        })
    }
}

impl DueQuery {
    /// The places from which the page is taken.
    pub(super) fn range(&self) -> (Bound<Place>, Bound<Place>) {
        let low = self.after.clone().map_or_else(
            || Bound::Included((self.shard.clone(), 0, Key::new("", ""))),
            |(order, key)| Bound::Excluded((self.shard.clone(), order, key)),
        );
        (low, Bound::Excluded((format!("{}\0", self.shard), 0, Key::new("", ""))))
    }
}

impl Page {
    /// Cuts at `limit` rows or [`MAX_PAGE`] bytes, whichever comes first.
    pub(super) fn cut<E>(
        rows: impl Iterator<Item = Result<(Key, Row), E>>,
        limit: usize,
    ) -> Result<Self, E> {
        let mut page = Self::default();
        let mut bytes = 0;
        for row in rows {
            let (key, row) = row?;
            bytes += key.sort.len() + row.size();
            page.rows.push((key, row));
            if page.rows.len() >= limit || bytes >= MAX_PAGE {
                page.next = page.rows.last().map(|(key, _)| key.sort.clone());
                break;
            }
        }
        Ok(page)
    }
}

impl DuePage {
    /// Cuts at `limit` rows or [`MAX_PAGE`] bytes, whichever comes first.
    pub(super) fn cut<E>(
        rows: impl Iterator<Item = Result<(u64, Key, Row), E>>,
        limit: usize,
    ) -> Result<Self, E> {
        let mut page = Self::default();
        let mut bytes = 0;
        for row in rows {
            let (order, key, row) = row?;
            bytes += key.partition.len() + key.sort.len() + row.size();
            page.rows.push((key.clone(), row));
            if page.rows.len() >= limit || bytes >= MAX_PAGE {
                page.next = Some((order, key));
                break;
            }
        }
        Ok(page)
    }
}

/// The least text above every text that begins with `prefix`; `None` when there is none.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::end_of_prefix;

    #[test]
    fn a_prefix_ends_before_the_next_text() {
        assert_eq!(end_of_prefix("a"), Some("b".into()));
        assert_eq!(end_of_prefix("a\u{10FFFF}"), Some("b".into()));
        assert_eq!(end_of_prefix("\u{D7FF}"), Some("\u{E000}".into()));
        assert_eq!(end_of_prefix("\u{10FFFF}"), None);
        assert_eq!(end_of_prefix(""), None);
    }
}
