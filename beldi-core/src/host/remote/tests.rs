//! What a stranger, an eavesdropper and a partner that was taken over may try.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::letter::{SharedKey, open, open_answer};
use super::message::{Answer, Question};
use super::receive;
use crate::engine::{Declined, Errand, Handler, Part, Parts, Service, TxnEnded};
use crate::error::LetterError;
use crate::id::Id;
use crate::limits::{Limits, MAX_LETTER};
use crate::outside::{Outside as _, RealOutside};
use crate::path::Path;
use crate::protocol::callback::Callback;
use crate::protocol::txn::Txn;
use crate::protocol::{journal, prepare};
use crate::store::MemoryStore;
use crate::value::Value;

const NOW: u64 = 1_800_000_000_000;
/// Before whatever the clock says: ids of the future are refused.
const LONG_AGO: u64 = 1_767_225_600_000;

fn key() -> SharedKey {
    SharedKey::new("what shop and payments share").unwrap()
}

fn letter(from: &str, to: &str, question: &Question) -> Vec<u8> {
    key().seal(from, to, NOW, question).unwrap().bytes
}

fn opened(letter: &[u8], now: u64, key: Option<SharedKey>) -> Result<String, LetterError> {
    open(letter, "payments", now, |_| key).map(|(_, question)| format!("{question:?}"))
}

#[test]
fn a_letter_is_read_by_whom_it_is_for() {
    let letter = letter("shop", "payments", &Question::Swept);
    assert_eq!(opened(&letter, NOW, Some(key())).as_deref(), Ok("Swept"));
    let newer = SharedKey::new("the secret of next year").unwrap();
    let either = newer.clone().or_accept("what shop and payments share").unwrap();
    assert!(opened(&letter, NOW, Some(either)).is_ok());
    assert_eq!(opened(&letter, NOW, Some(newer)), Err(LetterError::Forged));
    let stranger = LetterError::Stranger { from: "shop".into() };
    assert_eq!(opened(&letter, NOW, None), Err(stranger));
}

/// Only the spelling of the frame may differ, as CBOR has several.
#[test]
fn no_altered_byte_changes_what_is_read() {
    let letter = letter("shop", "payments", &Question::Swept);
    for position in 0..letter.len() {
        for bit in 0..8 {
            let mut altered = letter.clone();
            altered[position] ^= 1 << bit;
            if let Ok(read) = opened(&altered, NOW, Some(key())) {
                assert_eq!(read, "Swept", "byte {position}, bit {bit}");
            }
        }
    }
    for length in 0..letter.len() {
        assert!(opened(&letter[..length], NOW, Some(key())).is_err());
    }
}

#[test]
fn a_letter_is_for_one_service_and_for_a_while() {
    let elsewhere = letter("shop", "printers", &Question::Swept);
    assert!(matches!(opened(&elsewhere, NOW, Some(key())), Err(LetterError::Misdirected { .. })));
    let letter = letter("shop", "payments", &Question::Swept);
    let hour = 3_600_000;
    assert_eq!(opened(&letter, NOW + hour, Some(key())), Err(LetterError::Expired));
    assert_eq!(opened(&letter, NOW - hour, Some(key())), Err(LetterError::Expired));
}

/// A message of one stage is worth nothing in another: that has other secrets.
#[test]
fn cross_stage() {
    let letter = letter("shop", "payments", &Question::Swept);
    let production = SharedKey::new("what they share in production").unwrap();
    assert_eq!(opened(&letter, NOW, Some(production)), Err(LetterError::Forged));
}

#[test]
fn garbage_and_floods_are_refused_before_they_are_read() {
    let huge = vec![0x81; MAX_LETTER + 1];
    assert!(matches!(opened(&huge, NOW, Some(key())), Err(LetterError::TooLarge { .. })));
    // Lists in lists in lists, and a text that claims to be longer than memory.
    let deep = vec![0x81; 100_000];
    let boast = [0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    for garbage in [&deep[..], &boast, b"{}", b"", &[0xff; 64]] {
        assert_eq!(opened(garbage, NOW, Some(key())), Err(LetterError::Unreadable));
    }
    let mut random = 1_u64;
    for _ in 0..20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let garbage = random.to_be_bytes().repeat(1 + (random % 5) as usize);
        assert!(opened(&garbage, NOW, Some(key())).is_err());
    }
}

#[test]
fn an_answer_fits_no_other_letter() {
    let asked = key().seal("shop", "payments", NOW, &Question::Swept).unwrap();
    let other = key().seal("shop", "payments", NOW + 1, &Question::Swept).unwrap();
    let (reader, _) = open(&asked.bytes, "payments", NOW, |_| Some(key())).unwrap();
    let answer = reader.answer(&Answer::Swept(Ok(17))).unwrap();
    assert!(matches!(open_answer(&key(), &asked, &answer), Ok(Answer::Swept(Ok(17)))));
    assert_eq!(open_answer(&key(), &other, &answer).unwrap_err(), LetterError::Forged);
    assert_eq!(open_answer(&key(), &asked, &[1; 20]).unwrap_err(), LetterError::Unreadable);
    // A question that is sent back is no answer.
    assert!(open_answer(&key(), &asked, &asked.bytes).is_err());
}

/// `payments`, whose `charge` returns what it is given.
fn payments() -> (Arc<Service>, Arc<MemoryStore>) {
    let charge = Handler {
        name: "charge",
        read_only: false,
        fallible: false,
        code: 1,
        run: |input| Box::pin(async move { Ok(input) }),
        input_from_json: |_| Ok(Value::Null),
        output_to_json: |_| Ok(serde_json::Value::Null),
    };
    let parts = Parts {
        name: "payments".into(),
        version: "1".into(),
        handlers: BTreeMap::from([("charge", charge)]),
        compatible: BTreeSet::new(),
        redelivery: BTreeMap::new(),
        limits: Limits::default(),
    };
    let store = Arc::new(MemoryStore::new());
    let seen: Arc<dyn crate::store::Store> = Arc::clone(&store) as Arc<_>;
    (Service::new(parts, seen, Arc::new(RealOutside)).0, store)
}

async fn ask(
    service: &Arc<Service>,
    from: &str,
    question: &Question,
) -> Result<Answer, LetterError> {
    let letter = key().seal(from, "payments", RealOutside.now(), question).unwrap();
    let answer = receive(service, &letter.bytes, |_| Some(key())).await?;
    open_answer(&key(), &letter, &answer)
}

fn callee() -> Id {
    Id::root(LONG_AGO, "shop", "order-17").callee(&Path::default(), "payments/charge")
}

fn call(input: &str) -> Question {
    let (ssf, root, input) = ("charge".into(), "order-17".into(), input.into());
    let callback = serde_json::json!({ "root": "order-17", "token": vec![0; 32], "until": NOW });
    let callback: Callback = serde_json::from_value(callback).unwrap();
    Question::Call {
        errand: Errand { callee: callee(), root, depth: 1, ssf, read_only: false, input },
        callback,
        patience: std::time::Duration::from_secs(27),
    }
}

/// A partner that knows the id of another's callee neither gets its result nor stands in its way.
#[tokio::test]
async fn id_theft() {
    let (payments, store) = payments();
    let own = ask(&payments, "shop", &call("30 of ann")).await;
    assert!(matches!(own, Ok(Answer::Called(Ok(Value::Text(text)))) if text == "30 of ann"));
    payments.tasks.ended().await;
    let of_shop = || store.rows().into_iter().filter(|(key, _)| key.partition.contains("shop/"));
    let rows: Vec<_> = of_shop().collect();
    let theft = ask(&payments, "mallory", &call("nothing")).await;
    // It runs a callee of its own, under a key of its own.
    assert!(matches!(theft, Ok(Answer::Called(Ok(Value::Text(text)))) if text == "nothing"));
    assert_eq!(of_shop().collect::<Vec<_>>(), rows);
    let again = ask(&payments, "shop", &call("30 of ann")).await;
    assert!(matches!(again, Ok(Answer::Called(Ok(_)))));
}

/// Only who coordinates a transaction may end it, and only its participants' coordinator is asked.
#[tokio::test]
async fn transactions_are_their_coordinators_business() {
    let (payments, store) = payments();
    let txn = |service: &str| txn_of(service, 0);
    let ended =
        TxnEnded { txn: callee(), counting: Some(vec![]), for_good: true, is_collected: false };
    let settle = Question::Settle { txn: txn("shop"), ended };
    assert!(ask(&payments, "shop", &settle).await.is_ok());
    let refused = ask(&payments, "mallory", &settle).await;
    assert!(matches!(refused, Err(LetterError::NotAllowed { .. })), "{refused:?}");
    let abort = Question::Ended { txn: txn("shop"), abort: true };
    let refused = ask(&payments, "mallory", &abort).await;
    assert!(matches!(refused, Err(LetterError::NotAllowed { .. })), "{refused:?}");
    assert_eq!(store.rows(), []);
}

#[tokio::test]
async fn a_letter_delivered_again_does_nothing_again() {
    let (payments, store) = payments();
    let letter = key().seal("shop", "payments", RealOutside.now(), &call("30 of ann")).unwrap();
    let first = receive(&payments, &letter.bytes, |_| Some(key())).await.unwrap();
    payments.tasks.ended().await;
    let rows = store.rows();
    assert_eq!(receive(&payments, &letter.bytes, |_| Some(key())).await.unwrap(), first);
    assert_eq!(store.rows(), rows);
}

/// What is kept until its caller's horizon has passed it must not be kept for ever.
#[tokio::test]
async fn an_id_of_the_future_is_refused() {
    let (payments, store) = payments();
    let day = 24 * 3600 * 1000;
    let callee = Id::root(RealOutside.now() + day, "shop", "order-17");
    let Question::Call { mut errand, callback, patience } = call("30 of ann") else {
        unreachable!()
    };
    errand.callee = callee;
    let refused = ask(&payments, "shop", &Question::Call { errand, callback, patience }).await;
    assert!(matches!(refused, Err(LetterError::NotAllowed { .. })), "{refused:?}");
    assert_eq!(store.rows(), []);
}

fn txn_of(service: &str, retry: u32) -> Txn {
    let root = "order-17".into();
    Txn { id: callee().txn(&Path::default()), retry, root, service: service.into() }
}

/// A vote on `txn` for the callee whose id everybody knows.
async fn vote(
    payments: &Arc<Service>,
    txn: Txn,
    before: Vec<Id>,
    input: &str,
) -> Result<Value, Declined> {
    let from = txn.service.clone();
    let Question::Call { errand, .. } = call(input) else { unreachable!() };
    let (since, limit) = (RealOutside.now(), serde_json::json!({ "secs": 10, "nanos": 0 }));
    let tenure =
        serde_json::json!({ "since": since, "limit": limit, "by": "None", "resumed": false });
    let tenure = serde_json::from_value(tenure).unwrap();
    let question = Question::Prepare { errand, part: Part { txn, tenure, before } };
    match ask(payments, &from, &question).await {
        Ok(Answer::Voted(vote)) => vote.result,
        other => panic!("{other:?}"),
    }
}

/// A transaction is known by its id to who coordinates it; another service may use the same one.
#[tokio::test]
async fn a_partner_votes_and_settles_under_its_own_name_only() {
    let (payments, store) = payments();
    let (shop, mallory) = (txn_of("shop", 0), txn_of("mallory", 0));
    let forged = vote(&payments, mallory.clone(), vec![], "nothing").await;
    assert_eq!(forged.unwrap(), Value::from("nothing"));
    let own = vote(&payments, shop.clone(), vec![], "30 of ann").await;
    assert_eq!(own.unwrap(), Value::from("30 of ann"));
    let rows = store.rows();
    let records = prepare::all(&*store, &mallory).await.unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].result, Value::from("nothing"));
    let counting = Some(vec![callee()]);
    let ended = TxnEnded { txn: mallory.id, counting, for_good: true, is_collected: false };
    ask(&payments, "mallory", &Question::Settle { txn: mallory, ended }).await.unwrap();
    assert_eq!(store.rows(), rows);
    let again = vote(&payments, shop, vec![], "30 of ann").await;
    assert_eq!(again.unwrap(), Value::from("30 of ann"));
}

/// What a callee saw of those before it is part of its vote.
#[tokio::test]
async fn a_vote_stands_for_those_before_it_only() {
    let (payments, _) = payments();
    let before = vec![callee().callee(&Path::default(), "payments/charge")];
    vote(&payments, txn_of("shop", 0), before.clone(), "30 of ann").await.unwrap();
    vote(&payments, txn_of("shop", 0), before, "30 of ann").await.unwrap();
    let other = vote(&payments, txn_of("shop", 0), vec![], "30 of ann").await;
    assert!(matches!(other, Err(Declined::GaveWay(_))), "{other:?}");
}

/// Otherwise a root would begin the try after it while an earlier attempt commits the one before: twice.
#[tokio::test]
async fn a_try_that_is_aborted_before_it_begins_is_not_skipped_to() {
    let (payments, store) = payments();
    let next = async || {
        let loaded = journal::load(&*store, "order-17").await.unwrap();
        loaded.journal.next_try(txn_of("payments", 0).id)
    };
    for (aborted, expected) in [(7, 0), (u32::MAX, 0), (0, 1), (1, 2)] {
        let question = Question::Ended { txn: txn_of("payments", aborted), abort: true };
        assert!(matches!(ask(&payments, "shop", &question).await, Ok(Answer::Ended(Ok(Some(_))))));
        assert_eq!(next().await, expected, "after {aborted}");
    }
}
