//! Keys: text that sorts as the values do. [`Key`] has the table.

use std::fmt::Write;
use std::ops::RangeFull;

use uuid::Uuid;

/// What a [`Table`](crate::Table) can be keyed by.
///
/// A key is stored as text that sorts as the values do:
///
/// | key | text |
/// |---|---|
/// | `str`, `String` | itself (NUL and U+0001 are escaped) |
/// | unsigned number | 20 digits (39 for `u128`), zeros in front |
/// | signed number | the same; below zero, `-` and the distance from the smallest number |
/// | `Uuid` | hyphenated |
/// | tuple of two to four | its parts, with a NUL between them |
///
/// With the name of its table a key has at most 2 KiB; it may not be empty.
///
/// ```
/// use beldi::Table;
///
/// const ROOMS: Table<str, u32> = Table::new("rooms");
/// const NIGHTS: Table<(String, u32), u32> = Table::new("nights"); // of a hotel, by day
///
/// #[beldi::ssf]
/// async fn days_with_rooms(hotel: String) -> Vec<u32> {
///     let nights = NIGHTS.scan((&*hotel,)).await; // in the order of the days
///     nights.into_iter().filter(|(_, free)| *free > 0).map(|((_, day), _)| day).collect()
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("travel").ssf(days_with_rooms))
/// #     .row(NIGHTS, &("ritz", 10), &1)
/// #     .row(NIGHTS, &("ritz", 9), &2)
/// #     .row(NIGHTS, &("ritz", 8), &0);
/// assert_eq!(world.call(days_with_rooms("ritz".into())).await?, [9, 10]);
/// # Ok::<(), beldi::Error>(()) }).unwrap();
/// ```
pub trait Key: 'static {
    /// The key as [`scan`](crate::Table::scan) returns it.
    type Owned: Send;

    #[doc(hidden)]
    fn read<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<Self::Owned>;
}

/// What names a row of a table keyed by `K`: the key itself, or something it borrows as.
///
/// ```
/// use beldi::{KeyFor, Table};
///
/// const NIGHTS: Table<(String, u32), u32> = Table::new("nights");
///
/// let hotel = String::from("ritz");
/// let same = (NIGHTS.get(&("ritz", 17)), NIGHTS.get(&(&hotel, 17)), NIGHTS.get(&(hotel.clone(), 17)));
/// # drop(same);
///
/// /// Helpers can take any of them.
/// #[beldi::part(read_only)]
/// async fn is_free(night: &(impl KeyFor<(String, u32)> + Sync)) -> bool {
///     NIGHTS.get(night).await.is_some_and(|free| free > 0)
/// }
/// # let _ = is_free(&("ritz", 17));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a row of a table keyed by `{K}`",
    label = "expected a `{K}`, or what it borrows as"
)]
pub trait KeyFor<K: Key + ?Sized> {
    #[doc(hidden)]
    fn write(&self, text: &mut String);
}

/// What [`scan`](crate::Table::scan) takes: `..` for a whole table, the beginning of a text, or the
/// first parts of a tuple.
///
/// ```
/// use beldi::Table;
///
/// const ROOMS: Table<str, u32> = Table::new("rooms");
/// const NIGHTS: Table<(String, u32), u32> = Table::new("nights");
///
/// let all = ROOMS.scan(..);
/// let grand_hotels = ROOMS.scan("grand ");
/// let nights = NIGHTS.scan(("ritz",)); // a tuple of one: the comma counts
/// # drop((all, grand_hotels, nights));
/// ```
pub trait Prefix<K: Key + ?Sized> {
    #[doc(hidden)]
    fn write(&self, text: &mut String);
}

const SEPARATOR: char = '\u{0}';
const ESCAPE: char = '\u{1}';

/// The text of a key.
pub(crate) fn encode<K: Key + ?Sized, Q: KeyFor<K> + ?Sized>(key: &Q) -> String {
    let mut text = String::new();
    key.write(&mut text);
    text
}

/// The key in a text.
pub(crate) fn decode<K: Key + ?Sized>(text: &str) -> Option<K::Owned> {
    let mut parts = text.split(SEPARATOR);
    let key = K::read(&mut parts)?;
    parts.next().is_none().then_some(key)
}

fn escape(part: &str, text: &mut String) {
    for char in part.chars() {
        match char {
            SEPARATOR => text.extend([ESCAPE, ESCAPE]),
            ESCAPE => text.extend([ESCAPE, '\u{2}']),
            other => text.push(other),
        }
    }
}

fn unescape(part: &str) -> Option<String> {
    let mut text = String::with_capacity(part.len());
    let mut chars = part.chars();
    while let Some(char) = chars.next() {
        text.push(match char {
            ESCAPE => match chars.next()? {
                ESCAPE => SEPARATOR,
                '\u{2}' => ESCAPE,
                _ => return None,
            },
            other => other,
        });
    }
    Some(text)
}

impl<K: Key + ?Sized, Q: KeyFor<K> + ?Sized> KeyFor<K> for &Q {
    fn write(&self, text: &mut String) {
        (**self).write(text);
    }
}

impl<K: Key + ?Sized> Prefix<K> for RangeFull {
    fn write(&self, _: &mut String) {}
}

macro_rules! text_keys {
    ($($key:ty),*) => {$(
        impl Key for $key {
            type Owned = String;

            fn read<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<String> {
                unescape(parts.next()?)
            }
        }

        impl KeyFor<$key> for str {
            fn write(&self, text: &mut String) {
                escape(self, text);
            }
        }

        impl KeyFor<$key> for String {
            fn write(&self, text: &mut String) {
                escape(self, text);
            }
        }

        impl Prefix<$key> for &str {
            fn write(&self, text: &mut String) {
                escape(self, text);
            }
        }

        impl Prefix<$key> for &String {
            fn write(&self, text: &mut String) {
                escape(self, text);
            }
        }
    )*};
}
text_keys!(str, String);

macro_rules! number_keys {
    ($($int:ty: $digits:literal, $to:expr, $from:expr;)*) => {$(
        impl Key for $int {
            type Owned = Self;

            fn read<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
                let from: fn(&str) -> Option<Self> = $from;
                from(parts.next()?)
            }
        }

        impl KeyFor<$int> for $int {
            fn write(&self, text: &mut String) {
                let to: fn(Self) -> (&'static str, u128) = $to;
                let (sign, number) = to(*self);
                // Writing to a string cannot fail.
                let _ = write!(text, concat!("{}{:0", $digits, "}"), sign, number);
            }
        }
    )*};
}

macro_rules! unsigned {
    ($($int:ty: $digits:literal),*) => {
        number_keys! {$(
            $int: $digits, |n| ("", n.into()), |text| text.parse().ok();
        )*}
    };
}
unsigned!(u8: "20", u16: "20", u32: "20", u64: "20", u128: "39");

macro_rules! signed {
    ($($int:ty: $digits:literal),*) => {
        number_keys! {$(
            $int: $digits,
            |n| match n {
                0.. => ("", n.unsigned_abs().into()),
                _ => ("-", n.abs_diff(Self::MIN).into()),
            },
            |text| match text.strip_prefix('-') {
                Some(distance) => Self::MIN.checked_add_unsigned(distance.parse().ok()?),
                None => text.parse().ok(),
            };
        )*}
    };
}
signed!(i8: "20", i16: "20", i32: "20", i64: "20", i128: "39");

impl Key for Uuid {
    type Owned = Self;

    fn read<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        parts.next()?.parse().ok()
    }
}

impl KeyFor<Self> for Uuid {
    fn write(&self, text: &mut String) {
        let _ = write!(text, "{self}");
    }
}

macro_rules! tuple_keys {
    ($(($($part:ident $as:ident $at:tt),+))*) => {$(
        impl<$($part: Key),+> Key for ($($part,)+) {
            type Owned = ($($part::Owned,)+);

            fn read<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<Self::Owned> {
                Some(($($part::read(parts)?,)+))
            }
        }

        impl<$($part: Key, $as: KeyFor<$part>),+> KeyFor<($($part,)+)> for ($($as,)+) {
            fn write(&self, text: &mut String) {
                $(
                    if $at > 0 {
                        text.push(SEPARATOR);
                    }
                    self.$at.write(text);
                )+
            }
        }
    )*};
}
tuple_keys! {
    (A QA 0, B QB 1)
    (A QA 0, B QB 1, C QC 2)
    (A QA 0, B QB 1, C QC 2, D QD 3)
}

macro_rules! tuple_prefixes {
    ($(($($part:ident $as:ident $at:tt),+) of ($($all:ident),+))*) => {$(
        impl<$($all: Key,)+ $($as: KeyFor<$part>),+> Prefix<($($all,)+)> for ($($as,)+) {
            fn write(&self, text: &mut String) {
                $(
                    self.$at.write(text);
                    text.push(SEPARATOR);
                )+
            }
        }
    )*};
}
tuple_prefixes! {
    (A QA 0) of (A, B)
    (A QA 0) of (A, B, C)
    (A QA 0, B QB 1) of (A, B, C)
    (A QA 0) of (A, B, C, D)
    (A QA 0, B QB 1) of (A, B, C, D)
    (A QA 0, B QB 1, C QC 2) of (A, B, C, D)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted_like_text<K: Key<Owned = K> + KeyFor<K> + Ord + Clone + std::fmt::Debug>(keys: &[K]) {
        let mut by_value = keys.to_vec();
        by_value.sort();
        let mut texts: Vec<String> = keys.iter().map(|key| encode::<K, K>(key)).collect();
        texts.sort();
        let by_text: Vec<K> = texts.iter().map(|text| decode::<K>(text).unwrap()).collect();
        assert_eq!(by_value, by_text);
    }

    #[test]
    fn keys_sort_as_their_values() {
        sorted_like_text(&[3_u64, 0, 20, 100, u64::MAX]);
        sorted_like_text(&[3_i64, -1, 0, -20, i64::MIN, i64::MAX, -100]);
        sorted_like_text(&[i128::MIN, -1, 0, i128::MAX]);
        sorted_like_text(&[
            "b".to_owned(),
            "a".into(),
            "a\u{0}b".into(),
            "a\u{1}".into(),
            "é".into(),
        ]);
        sorted_like_text(&[
            ("a".to_owned(), 2_i32),
            ("a".into(), -2),
            ("ab".into(), 1),
            ("a\u{0}".into(), 1),
            ("a\u{1}".into(), 1),
        ]);
    }

    #[test]
    fn a_borrowed_tuple_names_the_same_row() {
        let owned = encode::<(String, u64), _>(&("ritz".to_owned(), 7_u64));
        assert_eq!(owned, encode::<(String, u64), _>(&("ritz", 7_u64)));
    }

    #[test]
    fn a_damaged_text_is_no_key() {
        assert_eq!(decode::<u64>("x"), None);
        assert_eq!(decode::<(String, u64)>("ritz"), None);
        assert_eq!(decode::<str>("a\u{0}b"), None);
    }
}
