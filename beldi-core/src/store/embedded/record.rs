//! How a row lies in the file: a format byte, the row, and a checksum of all that and of its key.
//!
//! With the key in the checksum, a row that turns up under another key is damage too.

use redb::Error;

use crate::store::{Key, Result, Row};

/// The newest format of a row this version writes and reads.
const FORMAT: u8 = 1;

/// The stored form of the row at `key`.
pub(super) fn encode(key: &Key, row: &Row) -> Result<Vec<u8>, Error> {
    let mut record = postcard::to_extend(row, vec![FORMAT])
        .map_err(|error| Error::Corrupted(format!("row {key} cannot be written: {error}")))?;
    record.extend(checksum(key, &record).to_le_bytes());
    Ok(record)
}

/// The row whose stored form this is, if nothing in it has changed.
pub(super) fn decode(key: &Key, record: &[u8]) -> Result<Row, Error> {
    let damaged = |what: &str| Error::Corrupted(format!("row {key} {what}"));
    let (body, sum) = record.split_last_chunk().ok_or_else(|| damaged("is cut off"))?;
    if checksum(key, body) != u32::from_le_bytes(*sum) {
        return Err(damaged("does not match its checksum"));
    }
    match body.split_first() {
        Some((&FORMAT, row)) => {
            postcard::from_bytes(row).map_err(|error| damaged(&format!("cannot be read: {error}")))
        }
        _ => Err(damaged("has a format this version does not know")),
    }
}

/// The byte between the parts occurs in no UTF-8 text, so no two keys look alike.
fn checksum(key: &Key, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in [key.partition.as_bytes(), &[0xFF], key.sort.as_bytes(), &[0xFF], body] {
        hasher.update(part);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn row() -> Row {
        let nested = Value::List(vec![Value::Int(i128::MIN), Value::Float(0.5), Value::Null]);
        Row([("a".to_owned(), nested), ("b".to_owned(), Value::from("text"))].into())
    }

    #[test]
    fn a_row_comes_back() {
        let key = Key::new("p", "s");
        assert_eq!(decode(&key, &encode(&key, &row()).unwrap()).unwrap(), row());
    }

    #[test]
    fn any_changed_bit_is_found() {
        let key = Key::new("p", "s");
        let record = encode(&key, &row()).unwrap();
        for bit in 0..record.len() * 8 {
            let mut damaged = record.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&key, &damaged).is_err(), "bit {bit}");
        }
        for length in 0..record.len() {
            assert!(decode(&key, &record[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_row_belongs_to_its_key() {
        let record = encode(&Key::new("ab", "c"), &row()).unwrap();
        let error = decode(&Key::new("a", "bc"), &record).unwrap_err();
        assert!(error.to_string().contains("row a/bc does not match its checksum"), "{error}");
    }
}
