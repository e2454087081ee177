//! What a query covers and where its pages end, for every store that keeps its keys in order.

use std::ops::Range;

use super::{DuePage, DueQuery, Key, MAX_PAGE, Page, Query, Result, Row};

/// A place in the due index: shard, order, and the key of the row.
pub(super) type Place = (String, u64, Key);

impl Query {
    /// The keys from which the page is taken, in ascending order.
    ///
    /// `after` may lie anywhere, so the tighter bound is chosen; a range that would end before it
    /// starts, which ordered maps refuse, is `None`.
    pub(super) fn range(&self) -> Option<Range<Key>> {
        let key = |sort: &str| Key::new(&*self.partition, sort);
        let mut low = key(&self.prefix);
        let mut high = end_of_prefix(&self.prefix)
            .map_or_else(|| Key::new(behind(&self.partition), ""), |end| key(&end));
        match &self.after {
            Some(after) if self.descending => high = high.min(key(after)),
            Some(after) => low = low.max(key(&behind(after))),
            None => {}
        }
        (low < high).then_some(low..high)
    }
}

impl DueQuery {
    /// The places from which the page is taken.
    ///
    /// `after` may lie anywhere; a range that would end before it starts is empty.
    pub(super) fn range(&self) -> Range<Place> {
        let high = match self.up_to.checked_add(1) {
            Some(order) => (self.shard.clone(), order, Key::new("", "")),
            None => (behind(&self.shard), 0, Key::new("", "")),
        };
        let (order, key) = match &self.after {
            Some((order, key)) => (*order, Key::new(&*key.partition, behind(&key.sort))),
            None => (0, Key::new("", "")),
        };
        (self.shard.clone(), order, key).min(high.clone())..high
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

/// The least text above this one.
fn behind(text: &str) -> String {
    format!("{text}\0")
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
