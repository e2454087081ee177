//! Letters: a question under the seal of a key that two services share.
//!
//! The seal is a keyed hash of everything else: who asks whom, until when, and what. So a letter cannot
//! be made or altered without the key, and one that was overheard is of no use to anybody else: not at
//! another service, not at another stage (which has another key), and not for long. Within its time it may be delivered again, which every
//! question allows. The answer is sealed together with the seal of its question, so it fits no other.
//!
//! Nothing but the outermost frame is read before the seal was found right.

use std::fmt;

use blake3::Hash;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::message::{Answer, Question};
use crate::error::LetterError;
use crate::limits::{LETTER_FORM, LETTER_TIME, MAX_LETTER, MAX_REQUEST_KEY, MIN_SECRET};

/// How deep a letter is nested at most: a value has 32 levels, each of which takes a few.
const DEPTH: usize = 256;
/// What two services share, so that each can tell that a letter is the other's.
///
/// It is made of a secret text, the same on both sides, of at least 16 bytes; let a password generator
/// make it, one for each pair of services and each stage. To change it without a pause, first let
/// both sides accept the new one too.
///
/// ```
/// use beldi::on_demand::SharedKey;
///
/// let key = SharedKey::new("correct horse battery staple")?.or_accept("the one before, still in use")?;
/// assert!(SharedKey::new("too short").is_err());
/// assert!(!format!("{key:?}").contains("horse"));
/// # Ok::<(), beldi::on_demand::LetterError>(())
/// ```
#[derive(Clone)]
pub struct SharedKey {
    /// The first one seals, any opens.
    keys: Vec<[u8; 32]>,
}

impl SharedKey {
    /// The key made of a secret.
    ///
    /// # Errors
    ///
    /// [`LetterError::ShortSecret`].
    pub fn new(secret: &str) -> Result<Self, LetterError> {
        Self { keys: Vec::new() }.or_accept(secret)
    }

    /// Opens letters that were sealed with another secret, too.
    ///
    /// # Errors
    ///
    /// [`LetterError::ShortSecret`].
    pub fn or_accept(mut self, secret: &str) -> Result<Self, LetterError> {
        if secret.len() < MIN_SECRET {
            return Err(LetterError::ShortSecret);
        }
        self.keys.push(blake3::derive_key("beldi: letters between services, 1", secret.as_bytes()));
        Ok(self)
    }

    /// Seals a question.
    pub(super) fn seal(
        &self,
        from: &str,
        to: &str,
        now: u64,
        question: &Question,
    ) -> Result<Sealed, LetterError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        let content = ByteBuf::from(written(question)?);
        let mut letter = Letter {
            version: LETTER_FORM,
            from,
            to,
            until: now + LETTER_TIME,
            content,
            seal: [0; 32],
        };
        let key = self.keys.first().ok_or(LetterError::ShortSecret)?;
        let seal = letter.seal(key);
        letter.seal = *seal.as_bytes();
        let bytes = written(&letter)?;
        if bytes.len() > MAX_LETTER {
            return Err(LetterError::TooLarge { size: bytes.len() });
        }
        Ok(Sealed { bytes, seal })
    }
}

/// A letter ready to be carried.
pub(super) struct Sealed {
    pub(super) bytes: Vec<u8>,
    seal: Hash,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Letter {
    version: u8,
    from: String,
    to: String,
    /// In milliseconds since 1970.
    until: u64,
    content: ByteBuf,
    seal: [u8; 32],
}

impl Letter {
    fn seal(&self, key: &[u8; 32]) -> Hash {
        let (version, until) = ([self.version], self.until.to_be_bytes());
        let parts: [&[u8]; 5] =
            [&version, self.from.as_bytes(), self.to.as_bytes(), &until, &self.content];
        sealed(key, "question", &parts)
    }
}

/// A question that was found to be one of a known service.
pub(super) struct Opened {
    pub(super) from: String,
    key: [u8; 32],
    seal: Hash,
}

/// Opens a letter that came to the service `here`; `key_of` tells what it shares with another.
pub(super) fn open(
    bytes: &[u8],
    here: &str,
    now: u64,
    key_of: impl FnOnce(&str) -> Option<SharedKey>,
) -> Result<(Opened, Question), LetterError> {
    if bytes.len() > MAX_LETTER {
        return Err(LetterError::TooLarge { size: bytes.len() });
    }
    let letter: Letter = read(bytes)?;
    if letter.from.len() > MAX_REQUEST_KEY || letter.to.len() > MAX_REQUEST_KEY {
        return Err(LetterError::Unreadable);
    }
    if letter.version != LETTER_FORM {
        return Err(LetterError::Version { found: letter.version });
    }
    let Some(shared) = key_of(&letter.from) else {
        return Err(LetterError::Stranger { from: letter.from });
    };
    let seal = Hash::from_bytes(letter.seal);
    // Hashes compare in constant time.
    let key = shared.keys.into_iter().find(|key| letter.seal(key) == seal);
    let key = key.ok_or(LetterError::Forged)?;
    if letter.to != here {
        return Err(LetterError::Misdirected { to: letter.to, here: here.to_owned() });
    }
    if letter.until < now || letter.until > now.saturating_add(LETTER_TIME * 2) {
        return Err(LetterError::Expired);
    }
    let question = read(&letter.content)?;
    Ok((Opened { from: letter.from, key, seal }, question))
}

impl Opened {
    /// Seals the answer to it.
    pub(super) fn answer(&self, answer: &Answer) -> Result<Vec<u8>, LetterError> {
        let content = written(answer)?;
        let seal = sealed(&self.key, "answer", &[self.seal.as_bytes(), &content]);
        let bytes = [seal.as_bytes(), &*content].concat();
        if bytes.len() > MAX_LETTER {
            return Err(LetterError::TooLarge { size: bytes.len() });
        }
        Ok(bytes)
    }
}

/// Opens the answer to a letter.
pub(super) fn open_answer(
    key: &SharedKey,
    letter: &Sealed,
    answer: &[u8],
) -> Result<Answer, LetterError> {
    let (seal, content) = answer.split_first_chunk::<32>().ok_or(LetterError::Unreadable)?;
    let is_right =
        |key| sealed(key, "answer", &[letter.seal.as_bytes(), content]) == Hash::from_bytes(*seal);
    if !key.keys.iter().any(is_right) {
        return Err(LetterError::Forged);
    }
    read(content)
}

fn sealed(key: &[u8; 32], kind: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in std::iter::once(&kind.as_bytes()).chain(parts) {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    hasher.finalize()
}

fn written(message: &impl Serialize) -> Result<Vec<u8>, LetterError> {
    let mut bytes = Vec::new();
    let written = ciborium::into_writer(message, &mut bytes);
    written.map_err(|error| LetterError::Unspeakable(error.to_string()))?;
    Ok(bytes)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, LetterError> {
    ciborium::de::from_reader_with_recursion_limit(bytes, DEPTH)
        .map_err(|_| LetterError::Unreadable)
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedKey").finish_non_exhaustive()
    }
}
