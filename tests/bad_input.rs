//! Bad input and bugs: each gets an error that names the thing and the way out, and loses nothing.

use beldi::store::{Condition, Store, Update};
use beldi::testing::{Fault, RequestKind, World, in_virtual_time};
use beldi::{App, Error, InstanceState, Limits, Reason, Table, Value};

const TEXTS: Table<str, String> = Table::new("texts");
const COUNTS: Table<str, u64> = Table::new("counts");

fn world(app: App) -> World {
    World::new(app.limits(Limits { attempts: 3, ..Limits::default() }))
}

/// The reason for which the call under this key is parked.
async fn parked(world: &World, key: &str) -> Reason {
    world.settle().await.unwrap();
    let status = world.instance(key).await.unwrap();
    assert_eq!(status.state, InstanceState::Parked);
    status.reason.unwrap()
}

#[beldi::ssf]
async fn store_text(bytes: u32) {
    COUNTS.put("before", &1).await;
    TEXTS.put("long", &"x".repeat(bytes as usize)).await;
    COUNTS.put("after", &1).await;
}

#[test]
fn a_value_over_400_kb_names_table_key_and_size_and_loses_nothing() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(store_text));
        let error = world.call(store_text(410_000)).key("k").await.unwrap_err();
        let Error::Parked { key, reason } = error else { panic!("{error}") };
        assert_eq!((&*key, &*reason.code), ("k", "value_too_large"));
        assert_eq!(reason.step.as_deref(), Some("1"));
        for part in ["`long`", "`texts`", "410000 bytes", "the limit is"] {
            assert!(reason.message.contains(part), "{}", reason.message);
        }
        assert_eq!(world.peek(COUNTS, "before"), Some(1), "what was done before stays");
        assert_eq!(world.peek(TEXTS, "long"), None);
        world.call(store_text(300_000)).await.unwrap();
    });
}

#[test]
fn more_marks_than_a_request_can_name_are_refused() {
    let app = |marks| App::new("test").limits(Limits { marks, ..Limits::default() });
    let open = |marks| app(marks).on_demand(beldi::store::MemoryStore::new());
    assert!(open(100).is_ok());
    assert!(open(0).unwrap_err().to_string().contains("at least 1"));
    let error = open(101).unwrap_err().to_string();
    assert!(error.contains("`Limits::marks` is 101") && error.contains("100"), "{error}");
}

/// Goes down without an end.
#[beldi::ssf]
async fn descend(level: u64) {
    COUNTS.update("deepest", |deepest| *deepest = Some(level)).await;
    descend(level + 1).await;
}

#[test]
fn call_depth() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(descend));
        let error = world.call(descend(0)).key("k").await.unwrap_err();
        let Error::Parked { reason, .. } = error else { panic!("{error}") };
        assert_eq!(reason.code, "call_depth");
        assert!(reason.message.contains("`descend`"), "{}", reason.message);
        assert_eq!(world.peek(COUNTS, "deepest"), Some(u64::from(beldi::MAX_CALL_DEPTH)));
    });
}

#[beldi::ssf]
async fn panic_at_once() {
    let count = COUNTS.get("any").await;
    assert!(count.is_some(), "no count");
}

#[test]
fn a_panic_before_any_effect_changes_nothing_and_says_so() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(panic_at_once));
        let error = world.call(panic_at_once()).key("k").await.unwrap_err();
        let Error::Failed { reason } = error else { panic!("{error}") };
        assert_eq!(reason.code, "panic");
        assert!(reason.message.contains("no count"));
        assert!(world.stored().is_empty());
        assert!(matches!(world.instance("k").await, Err(Error::UnknownInstance { .. })));
    });
}

#[beldi::ssf]
async fn panic_later() {
    COUNTS.update("runs", |runs| *runs = Some(runs.unwrap_or(0) + 1)).await;
    let fixed = TEXTS.get("fixed").await.is_some();
    assert!(fixed, "not fixed yet");
    COUNTS.put("ended", &1).await;
}

#[test]
fn a_panic_after_an_effect_is_tried_again_then_parked_then_resumed() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(panic_later));
        let error = world.call(panic_later()).key("k").await.unwrap_err();
        let Error::Parked { reason, .. } = error else { panic!("{error}") };
        assert_eq!(reason.code, "panic");
        assert!(reason.message.contains("3 attempts"), "{}", reason.message);
        assert!(reason.message.contains("not fixed yet"), "{}", reason.message);
        assert_eq!(world.instance("k").await.unwrap().attempts, 3);
        assert_eq!(world.peek(COUNTS, "runs"), Some(1), "the effect before it happened once");

        let world = world.row(TEXTS, "fixed", &"yes".to_owned());
        world.resume("k").await.unwrap();
        world.settle().await.unwrap();
        assert_eq!(world.instance("k").await.unwrap().state, InstanceState::Done);
        assert_eq!(world.peek(COUNTS, "runs"), Some(1));
        assert_eq!(world.peek(COUNTS, "ended"), Some(1));
    });
}

#[beldi::ssf]
async fn never_return() {
    COUNTS.put("begun", &1).await;
    beldi::effect("wait", async |_| std::future::pending::<()>().await).await;
}

#[test]
fn a_handler_that_never_returns_is_parked_after_its_attempts() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(never_return));
        let began = world.now();
        let error = world.call(never_return()).key("k").await.unwrap_err();
        assert!(matches!(error, Error::Unfinished { .. } | Error::Parked { .. }), "{error}");
        let reason = parked(&world, "k").await;
        assert_eq!(reason.code, "attempt_time");
        assert!(reason.message.contains("Limits::attempt_time"), "{}", reason.message);
        assert!(world.now() - began < 600_000, "attempts are limited in number and time");
    });
}

#[beldi::ssf]
async fn charge(kind: String) -> Result<u32, String> {
    COUNTS.put("begun", &1).await;
    let receipt: Result<u32, String> = beldi::effect("charge card", async |key| {
        assert!(kind != "panic", "card reader on fire");
        if kind == "refused" { Err(format!("refused ({} byte key)", key.len())) } else { Ok(7) }
    })
    .await;
    receipt
}

#[test]
fn an_effect_that_fails_gives_its_recorded_error() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(charge));
        let first = world.call(charge("refused".into())).key("k").await.unwrap();
        assert_eq!(first, Err("refused (22 byte key)".to_owned()));
        let again = world.call(charge("refused".into())).key("k").await.unwrap();
        assert_eq!(again, first);
    });
}

#[test]
fn an_effect_that_panics_is_tried_again_and_parked() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(charge));
        let _ = world.call(charge("panic".into())).key("k").await;
        let reason = parked(&world, "k").await;
        assert!(reason.message.contains("card reader on fire"), "{}", reason.message);
    });
}

#[beldi::ssf(name = "work")]
async fn work_today() -> u64 {
    let count = COUNTS.get("input").await.unwrap_or(0);
    COUNTS.put("output", &count).await;
    let fixed = TEXTS.get("fixed").await.is_some();
    assert!(fixed);
    count
}

#[beldi::ssf(name = "work")]
async fn work_tomorrow() -> u64 {
    let count = COUNTS.get("input").await.unwrap_or(0);
    COUNTS.put("output", &count).await;
    count + 1
}

#[test]
fn a_journal_of_other_code_is_refused_until_declared_compatible() {
    in_virtual_time(async {
        let today = world(App::new("test").version("today").ssf(work_today));
        let _ = today.call(work_today()).key("k").await;
        today.resume("k").await.unwrap();

        let tomorrow = today.deploy(App::new("test").version("tomorrow").ssf(work_tomorrow));
        let reason = parked(&tomorrow, "k").await;
        assert_eq!(reason.code, "other_code");
        for part in ["`work`", "version today", "version tomorrow", "App::compatible(work, 0x"] {
            assert!(reason.message.contains(part), "{}", reason.message);
        }

        let code = reason.message.split("0x").nth(1).unwrap().split('`').next().unwrap();
        let code = u64::from_str_radix(code.trim_end_matches(')'), 16).unwrap();
        let app = App::new("test").ssf(work_tomorrow).compatible(work_tomorrow, code);
        let declared = tomorrow.deploy(app);
        declared.resume("k").await.unwrap();
        declared.settle().await.unwrap();
        assert_eq!(declared.instance("k").await.unwrap().result, Some(Value::Int(1)));
    });
}

#[beldi::ssf(name = "add")]
async fn add_today(by: u64) -> u64 {
    COUNTS.update("sum", |sum| *sum.insert(sum.unwrap_or(0) + by)).await
}

#[beldi::txn(name = "add")]
async fn add_tomorrow(by: u64) -> Result<u64, ()> {
    Ok(COUNTS.update("sum", |sum| *sum.insert(sum.unwrap_or(0) + by)).await)
}

/// What it did as other code, a transaction at its first step would not meet.
#[test]
fn a_request_that_comes_again_after_a_deployment_adds_nothing() {
    in_virtual_time(async {
        let today = world(App::new("test").ssf(add_today));
        assert_eq!(today.call(add_today(10)).key("k").await.unwrap(), 10);
        today.settle().await.unwrap();
        let tomorrow = today.deploy(App::new("test").ssf(add_tomorrow));
        let _ = tomorrow.call(add_tomorrow(10)).key("k").await;
        assert_eq!(tomorrow.peek(COUNTS, "sum"), Some(10));
        assert_eq!(tomorrow.locks().await.unwrap(), []);
    });
}

static RUNS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

fn runs() -> u32 {
    RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

#[beldi::ssf]
async fn differ() {
    let name = format!("run-{}", runs());
    let _ = COUNTS.get(&name).await;
    COUNTS.put("any", &1).await;
    let fixed = TEXTS.get("fixed").await.is_some();
    assert!(fixed);
}

#[test]
fn a_replay_that_takes_another_way_is_parked_with_both() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(differ));
        let _ = world.call(differ()).key("k").await;
        let reason = parked(&world, "k").await;
        assert_eq!(reason.code, "other_way");
        assert_eq!(reason.step.as_deref(), Some("0"));
        assert!(reason.message.contains("`get counts/run-1`"), "{}", reason.message);
    });
}

#[beldi::ssf]
async fn read_count() -> u64 {
    COUNTS.put("begun", &1).await;
    COUNTS.get("text").await.unwrap_or(0)
}

#[test]
fn an_undecodable_value_parks_with_table_key_and_type() {
    in_virtual_time(async {
        const AS_TEXT: Table<str, String> = Table::new("counts");
        let world =
            world(App::new("test").ssf(read_count)).row(AS_TEXT, "text", &"many".to_owned());
        let _ = world.call(read_count()).key("k").await;
        let reason = parked(&world, "k").await;
        assert_eq!(reason.code, "undecodable_value");
        for part in ["`text`", "`counts`", "u64"] {
            assert!(reason.message.contains(part), "{}", reason.message);
        }
    });
}

#[test]
fn a_key_used_for_another_request_is_refused() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(charge).ssf(store_text));
        world.call(charge("ok".into())).key("k").await.unwrap().unwrap();
        let error = world.call(charge("refused".into())).key("k").await.unwrap_err();
        assert!(matches!(error, Error::KeyReused { .. }), "{error}");
        let error = world.call(store_text(1)).key("k").await.unwrap_err();
        assert!(matches!(error, Error::KeyReused { .. }), "{error}");
        assert_eq!(world.peek(TEXTS, "long"), None);
    });
}

#[test]
fn a_request_key_from_outside_cannot_name_a_sent_instance() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(charge));
        for key in ["", "~abc", &"x".repeat(257)] {
            let error = world.call(charge("ok".into())).key(key).await.unwrap_err();
            assert!(matches!(error, Error::BadKey { .. }), "{error}");
        }
    });
}

#[beldi::ssf]
async fn call_unregistered() {
    COUNTS.put("begun", &1).await;
    charge("ok".into()).send().await;
}

#[test]
fn an_ssf_that_is_not_registered_parks_with_what_to_write() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(call_unregistered));
        let error = world.call(charge("ok".into())).await.unwrap_err();
        assert!(error.to_string().contains("it has call_unregistered"), "{error}");
        let _ = world.call(call_unregistered()).key("k").await;
        let reason = parked(&world, "k").await;
        assert!(reason.message.contains("App::ssf(charge)"), "{}", reason.message);
    });
}

#[beldi::ssf(service = "payments")]
async fn refund(cents: u64) -> Result<u64, String>;

#[beldi::ssf]
async fn call_remote() -> Result<u64, String> {
    COUNTS.put("begun", &1).await;
    refund(3).await
}

#[test]
fn another_service_has_no_route_yet() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(call_remote));
        let _ = world.call(call_remote()).key("k").await;
        let reason = parked(&world, "k").await;
        assert_eq!(reason.code, "no_route");
        assert!(reason.message.contains("`payments`"), "{}", reason.message);
    });
}

#[beldi::ssf]
async fn use_key(key: String) {
    COUNTS.put("begun", &1).await;
    COUNTS.put(&key, &2).await;
}

#[test]
fn an_empty_or_too_long_key_parks() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(use_key));
        for (request, key) in [("empty", String::new()), ("long", "k".repeat(1025))] {
            let _ = world.call(use_key(key)).key(request).await;
            assert_eq!(parked(&world, request).await.code, "invalid_key");
        }
    });
}

#[test]
fn a_damaged_slot_parks_and_the_rest_of_the_service_goes_on() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(panic_later).ssf(charge));
        let _ = world.call(panic_later()).key("k").await;
        let slot = world.stored().into_iter().find(|(key, _)| key.sort.starts_with("slot/"));
        assert!(slot.is_none(), "one read only, after the effect: nothing is logged");

        let intent = world.stored().into_iter().find(|(key, _)| key.sort == "intent").unwrap().0;
        world.resume("k").await.unwrap();
        let damage = Update::when(Condition::always()).set("epoch", "yesterday");
        world.store().update(&intent, &damage).await.unwrap();
        world.settle().await.unwrap();
        let error = world.instance("k").await.unwrap_err();
        assert!(error.to_string().contains("`epoch` is missing or damaged"), "{error}");
        world.call(charge("ok".into())).await.unwrap().unwrap();
    });
}

#[beldi::ssf(read_only)]
async fn look() -> u64 {
    COUNTS.get("begun").await.unwrap_or(0)
}

#[test]
fn a_read_only_ssf_leaves_no_trace() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(look));
        assert_eq!(world.call(look()).key("k").await.unwrap(), 0);
        assert!(world.stored().is_empty());
    });
}

#[beldi::ssf]
async fn panic_beside_a_write() {
    let _ = beldi::join(COUNTS.put("begun", &1), async {
        let count = COUNTS.get("other").await;
        assert!(count.is_some(), "no count");
    })
    .await;
}

#[test]
fn a_failure_while_the_registration_is_in_flight_is_in_doubt() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(panic_beside_a_write));
        world.store().script(|request| match request.kind {
            RequestKind::Update => Fault::LoseReply,
            _ => Fault::None,
        });
        let error = world.call(panic_beside_a_write()).key("k").await.unwrap_err();
        assert!(matches!(error, Error::InDoubt { .. }), "{error}");
        assert!(world.instance("k").await.is_ok(), "it was registered after all");
    });
}

#[beldi::ssf]
async fn return_text(input: String) -> String {
    COUNTS.put("begun", &1).await;
    if input.starts_with('L') { "x".repeat(60_000) } else { input.repeat(3) }
}

#[beldi::ssf]
async fn repeat(input: String) -> String {
    input.repeat(2)
}

#[beldi::ssf]
async fn send_large() {
    COUNTS.put("begun", &1).await;
    repeat(large_input(400_000)).send().await;
}

/// To be answered with little.
fn large_input(bytes: usize) -> String {
    format!("L{}", "x".repeat(bytes - 1))
}

#[test]
fn a_result_that_has_no_room_beside_its_input_parks() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(return_text));
        let large = world.call(return_text("x".repeat(90_000))).key("fits").await.unwrap();
        assert_eq!(large.len(), 270_000);
        // One that is large together with its input only is noticed as early.
        let both = [("k", "x".repeat(120_000)), ("small", large_input(372_000))];
        for (key, input) in both {
            let error = world.call(return_text(input)).key(key).await.unwrap_err();
            let Error::Parked { reason, .. } = error else { panic!("{error}") };
            assert_eq!(reason.code, "row_too_large");
        }
    });
}

/// Nothing was changed: the caller need not wonder.
#[test]
fn a_result_without_room_of_what_changes_nothing_says_so() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(repeat));
        let error = world.call(repeat("x".repeat(150_000))).key("k").await.unwrap_err();
        let Error::Failed { reason } = error else { panic!("{error}") };
        assert_eq!(reason.code, "row_too_large");
        assert_eq!(world.stored(), []);
    });
}

#[test]
fn an_input_that_leaves_no_room_in_its_row_is_refused_wherever_it_comes_from() {
    in_virtual_time(async {
        let world = world(App::new("test").ssf(repeat).ssf(send_large));
        let error = world.call(repeat(large_input(400_000))).key("k").await.unwrap_err();
        let Error::BadRequest(text) = error else { panic!("{error}") };
        assert!(text.contains("`repeat`") && text.contains("400000 bytes"), "{text}");
        assert_eq!(world.stored(), []);
        let error = world.call(send_large()).key("sends").await.unwrap_err();
        let Error::Parked { reason, .. } = error else { panic!("{error}") };
        assert_eq!(reason.code, "input_too_large");
    });
}

#[beldi::ssf(name = "shape")]
async fn shape_today() -> u64 {
    7
}

#[beldi::ssf(name = "shape")]
async fn shape_tomorrow() -> String {
    "seven".to_owned()
}

#[test]
fn a_recorded_result_of_another_type_is_told_apart_from_a_bad_request() {
    in_virtual_time(async {
        let today = world(App::new("test").ssf(shape_today));
        today.call(shape_today()).key("k").await.unwrap();
        let tomorrow = today.deploy(App::new("test").ssf(shape_tomorrow));
        let error = tomorrow.call(shape_tomorrow()).key("k").await.unwrap_err();
        assert!(matches!(error, Error::UnreadableOutput(_)), "{error}");
    });
}
