//! Callees (a, c, N1), sends (d, N9) and registration (d).

use std::time::Duration;

use beldi::testing::RequestKind::{Get, Update};
use beldi::testing::{Fault, Gate, in_virtual_time};
use beldi::{App, Error, InstanceState};

use crate::journal::parity;
use crate::{VALUES, beginning_with, dies, disturb, held, keys, set, set_all, world};

pub(crate) fn register(app: App) -> App {
    let app = app
        .ssf(count)
        .ssf(mark_place)
        .ssf(look)
        .ssf(stamp)
        .ssf(two_counts)
        .ssf(route_of)
        .ssf(two_routes);
    app.ssf(call_with_read)
        .ssf(look_then_write)
        .ssf(stamp_then_write)
        .ssf(ask_parity)
        .ssf(send_with_read)
        .ssf(send_then_write)
}

#[beldi::ssf]
async fn count(name: String) {
    VALUES.update(&name, |count| *count = Some(count.unwrap_or(0) + 1)).await;
}

#[beldi::ssf]
async fn mark_place(place: u64) {
    VALUES.put(&format!("at-{place}"), &1).await;
}

#[beldi::ssf(read_only)]
async fn look() -> u64 {
    VALUES.get("x").await.unwrap_or(0)
}

/// Reads, writes, and reads once more before it replies.
#[beldi::ssf]
async fn stamp() -> u64 {
    let x = VALUES.get("x").await.unwrap_or(0);
    VALUES.put(&format!("stamp-{x}"), &1).await;
    VALUES.get("y").await.unwrap_or(0)
}

/// Which branch calls first depends on how long its read takes.
#[beldi::ssf]
async fn two_counts() {
    beldi::join(
        async {
            VALUES.get("x").await;
            count("left".into()).await;
        },
        async {
            VALUES.get("y").await;
            count("right".into()).await;
        },
    )
    .await;
}

#[beldi::ssf]
async fn call_with_read() -> u64 {
    let x = VALUES.get("x").await.unwrap_or(0);
    mark_place(x).await;
    x
}

#[beldi::ssf]
async fn route_of(name: String) {
    let value = VALUES.get(&name).await.unwrap_or(0);
    VALUES.put(&format!("{name}-{value}"), &1).await;
}

#[beldi::ssf]
async fn two_routes() {
    VALUES.put("begun", &1).await;
    beldi::join(route_of("x".into()), route_of("y".into())).await;
}

#[beldi::ssf]
async fn look_then_write() -> u64 {
    let x = look().await;
    VALUES.put(&format!("at-{x}"), &1).await;
    x
}

#[beldi::ssf]
pub(crate) async fn stamp_then_write() -> u64 {
    let y = stamp().await;
    VALUES.put(&format!("at-{y}"), &1).await;
    y
}

/// Its callee has an effect for some values only.
#[beldi::ssf]
async fn ask_parity() -> u64 {
    let x = parity().await;
    VALUES.put(&format!("at-{x}"), &1).await;
    x
}

#[beldi::ssf]
async fn send_with_read() -> u64 {
    let x = VALUES.get("x").await.unwrap_or(0);
    count(format!("sent-{x}")).send().await;
    VALUES.put(&format!("at-{x}"), &1).await;
    x
}

#[beldi::ssf]
async fn send_then_write() {
    count("received".into()).send().await;
    VALUES.put("at-end", &1).await;
}

/// An attempt that dies right after its effect, then another with other values before it.
macro_rules! dies_after {
    ($effect:literal, $call:expr) => {
        in_virtual_time(async {
            let world = world(&[("x", 1), ("y", 1)]);
            disturb(world.store(), [(Update, $effect, Fault::CrashAfter)]);
            dies(&world, world.call($call).key("r")).await;
            let host = world.new_host();
            set_all(&host, &[("x", 2), ("y", 2)]).await;
            let reply = host.call($call).key("r").await.unwrap();
            host.settle().await.unwrap();
            (host, reply)
        })
    };
}

#[test]
fn a_parallel_branches_keep_their_callee_ids() {
    in_virtual_time(async {
        let world = world(&[]);
        let [first, second] = [Gate::default(), Gate::default()];
        // The left branch calls first, then its host dies; of the second attempt the right one.
        let rules = [
            (Get, "table/values/y", Fault::WaitBefore(first)),
            (Update, "table/values/left", Fault::CrashAfter),
            (Get, "table/values/x", Fault::None),
            (Get, "table/values/x", Fault::WaitBefore(second.clone())),
        ];
        disturb(world.store(), rules);
        dies(&world, world.call(two_counts()).key("r")).await;
        let host = world.new_host();
        let right_first = tokio::time::sleep(Duration::from_millis(1));
        held(host.call(two_counts()).key("r"), second, right_first).await;
        for name in ["left", "right"] {
            assert_eq!(host.peek(VALUES, name), Some(1), "{name}");
        }
    });
}

#[test]
fn a_call_with_arguments_from_unlogged_reads() {
    let (world, reply) = dies_after!("table/values/at-*", call_with_read());
    assert_eq!((reply, keys(&world, "at-")), (1, vec!["at-1".to_owned()]));
}

#[test]
fn c_caller_acts_on_an_unlogged_reply_of_a_read_only_callee() {
    let (world, reply) = dies_after!("table/values/at-*", look_then_write());
    assert_eq!((reply, keys(&world, "at-")), (1, vec!["at-1".to_owned()]));
}

#[test]
fn n1_caller_dies_before_logging_the_reply() {
    let (world, reply) = dies_after!("table/values/stamp-*", stamp_then_write());
    assert_eq!(keys(&world, "stamp-"), ["stamp-1"], "what the callee did stays");
    assert_eq!((reply, keys(&world, "at-")), (2, vec!["at-2".to_owned()]), "nobody acted on 1");
}

#[test]
fn n1_caller_acts_on_an_unlogged_reply() {
    let (world, reply) = dies_after!("table/values/at-*", stamp_then_write());
    assert_eq!(keys(&world, "stamp-"), ["stamp-1"]);
    assert_eq!((reply, keys(&world, "at-")), (1, vec!["at-1".to_owned()]));
}

/// One caller acts on a reply that says "no effect" while the callee, called by the other, has one.
#[test]
fn n1_a_reply_belongs_to_the_history_of_the_callee() {
    in_virtual_time(async {
        let world = world(&[("x", 0)]);
        let gate = Gate::default();
        let log = (Update, "root/r/slot/*", Fault::WaitBefore(gate.clone()));
        disturb(world.store(), [log, (Update, "table/values/odd", Fault::CrashAfter)]);
        let other = world.new_host();
        let reply = held(world.call(ask_parity()).key("r"), gate, async {
            set_all(&other, &[("x", 1)]).await;
            dies(&other, other.call(ask_parity()).key("r")).await;
        })
        .await;
        assert_eq!(world.peek(VALUES, "odd"), Some(1), "the callee saw 1");
        assert_eq!((reply, keys(&world, "at-")), (1, vec!["at-1".to_owned()]));
    });
}

/// A run that is over has a slot on its way. The next run of the same host must not take it for its
/// own.
#[test]
fn n1_late_slot_of_a_dropped_run() {
    in_virtual_time(async {
        let world = world(&[("x", 1), ("y", 1)]);
        let [lost, next_run] = [Gate::default(), Gate::default()];
        let read = |fault| (Get, "table/values/x", fault);
        let log = |fault| (Update, "root/r/slot/*", fault);
        let rules = [
            read(Fault::None),
            log(Fault::Late(Duration::from_millis(10))),
            log(Fault::WaitBefore(lost.clone())),
            read(Fault::Hang),
            log(Fault::CrashAfter),
            read(Fault::WaitAfter(next_run.clone())),
        ];
        disturb(world.store(), rules);
        let other = world.new_host();
        let lose_the_second_slot = async {
            lost.reached().await;
            set_all(&other, &[("x", 2), ("y", 2)]).await;
            dies(&other, other.call(two_routes()).key("r")).await;
            lost.open();
        };
        let the_late_slot_lands = tokio::time::sleep(Duration::from_millis(50));
        let attempt = held(world.call(two_routes()).key("r"), next_run, the_late_slot_lands);
        tokio::join!(attempt, lose_the_second_slot);
        assert_eq!(keys(&world, "x-"), ["x-1"], "what the slot says");
        assert_eq!(keys(&world, "y-"), ["y-2"]);
    });
}

#[test]
fn n9_arguments_carried_but_loser_keeps_its_own_read() {
    in_virtual_time(async {
        let world = world(&[("x", 1)]);
        let gate = Gate::default();
        disturb(world.store(), [(Update, "root/*", Fault::WaitBefore(gate.clone()))]);
        let other = world.new_host();
        let seen = held(world.call(send_with_read()).key("r"), gate, async {
            set_all(&other, &[("x", 2)]).await;
            assert_eq!(other.call(send_with_read()).key("r").await.unwrap(), 2);
        })
        .await;
        world.settle().await.unwrap();
        assert_eq!((seen, keys(&world, "at-")), (2, vec!["at-2".to_owned()]));
        assert_eq!(beginning_with(&world, "sent-"), [("sent-2".to_owned(), 1)]);
    });
}

#[test]
fn n9_sender_dies_after_its_send() {
    let (world, reply) = dies_after!("root/~*", send_with_read());
    assert_eq!((reply, keys(&world, "at-")), (1, vec!["at-1".to_owned()]));
    assert_eq!(beginning_with(&world, "sent-"), [("sent-1".to_owned(), 1)]);
}

/// What the sender does next shows that the send was acknowledged: it must be durable by then.
#[test]
fn d_acknowledged_send_must_be_registered() {
    in_virtual_time(async {
        let world = world(&[]);
        disturb(world.store(), [(Update, "table/values/at-end", Fault::CrashAfter)]);
        dies(&world, world.call(send_then_write()).key("r")).await;
        let sent = |(key, _): &(beldi::store::Key, _)| key.partition.starts_with("root/~");
        assert!(world.stored().iter().any(sent));
        let host = world.new_host();
        host.settle().await.unwrap();
        assert_eq!(host.peek(VALUES, "received"), Some(1));
    });
}

#[test]
fn d_blind_first_write_registers_first() {
    in_virtual_time(async {
        let world = world(&[]);
        disturb(world.store(), [(Update, "table/values/x", Fault::CrashAfter)]);
        dies(&world, world.call(set(("x".into(), 1))).key("r")).await;
        let host = world.new_host();
        host.settle().await.unwrap();
        let status = host.instance("r").await.expect("what changed something will finish");
        assert_eq!(status.state, InstanceState::Done);
    });
}

/// The store may have the registration though it never said so: nobody may be told "call again".
#[test]
fn d_registration_of_unknown_fate_is_not_denied() {
    for fault in [Fault::LoseReply, Fault::Late(Duration::from_secs(3600))] {
        in_virtual_time(async {
            let world = world(&[]);
            let registration = (Update, "root/r/intent", fault.clone());
            disturb(world.store(), std::iter::repeat_n(registration, 4));
            let outcome = world.call(set(("x".into(), 1))).key("r").await;
            assert!(matches!(outcome, Ok(()) | Err(Error::InDoubt { .. })), "{outcome:?}");
            tokio::time::sleep(Duration::from_secs(7200)).await;
            world.settle().await.unwrap();
            assert_eq!(world.peek(VALUES, "x"), Some(1));
        });
    }
}

/// Another request stands under the key: its result is not for this asker.
#[test]
fn d_registration_of_unknown_fate_under_a_used_key() {
    in_virtual_time(async {
        let world = world(&[]);
        world.call(set(("x".into(), 1))).key("r").await.unwrap();
        world.settle().await.unwrap();
        let registration = (Update, "root/r/intent", Fault::LoseReply);
        disturb(world.store(), std::iter::repeat_n(registration, 4));
        let outcome = world.call(set(("x".into(), 2))).key("r").await;
        assert!(matches!(outcome, Err(Error::InDoubt { .. })), "{outcome:?}");
        let outcome = world.call(set(("x".into(), 2))).key("r").await;
        assert!(matches!(outcome, Err(Error::KeyReused { .. })), "{outcome:?}");
    });
}
