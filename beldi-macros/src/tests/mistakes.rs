//! What is said of a mistake, and what the wrong item expands to.

use insta::{assert_debug_snapshot, assert_snapshot};
use quote::quote;

use super::{body_messages, expanded, messages};
use crate::pipeline::Word;

#[test]
fn all_mistakes_are_reported_at_once() {
    let options = quote! { nmae = "f", read_only, read_only };
    let item = quote! {
        unsafe fn f<T>(a: &T, b: impl Copy) -> &str {
            std::thread::spawn(work);
        }
    };
    assert_debug_snapshot!(messages(Word::Ssf, options, item), @r#"
    [
        "unknown option `nmae`: did you mean `name`? options are `name`, `read_only`, `service`, `crate`",
        "option `read_only` is given twice; keep one",
        "an SSF must be an `async fn`: write `async fn f`",
        "an SSF is called by the engine, which promises nothing: remove the word and keep unsafe code in a function of its own",
        "an SSF cannot be generic: its input and output types are part of its name on the wire; write the types, or make it a `#[beldi::part]`",
        "an SSF takes at most one input: group several into a struct",
        "an SSF takes its input by value, for it comes over the wire: write `T`",
        "an SSF takes a type with a name: write it instead of `impl Trait`",
        "an SSF returns owned data, for it goes over the wire: write `String`",
        "`std::thread::spawn` starts work that no replay knows of: run branches with `beldi::join(a, b)`, or start another SSF with `f(input).send().await`",
    ]
    "#);
}

#[test]
fn a_wrong_ssf_expands_to_a_part() {
    let item = quote! {
        fn f<T: Copy>(a: &T, b: impl Read) -> T {
            g().await;
            *a
        }
    };
    assert_snapshot!(expanded(Word::Ssf, quote! {}, item), @r#"
    #[deny(clippy::disallowed_methods, clippy::disallowed_types)]
    fn f<T: Copy + ::core::marker::Send>(
        a: &T,
        b: impl Read + ::core::marker::Send,
    ) -> impl ::beldi::__private::Operation<Output = T> {
        ::beldi::__private::branch(async move {
            if false {
                return ::core::option::Option::<T>::None.unwrap();
            }
            ::beldi::__private::step(g()).await;
            *a
        })
    }
    ::core::compile_error! {
        "an SSF must be an `async fn`: write `async fn f`"
    }
    ::core::compile_error! {
        "an SSF cannot be generic: its input and output types are part of its name on the wire; write the types, or make it a `#[beldi::part]`"
    }
    ::core::compile_error! {
        "an SSF takes at most one input: group several into a struct"
    }
    ::core::compile_error! {
        "an SSF takes its input by value, for it comes over the wire: write `T`"
    }
    ::core::compile_error! {
        "an SSF takes a type with a name: write it instead of `impl Trait`"
    }
    "#);
}

#[test]
fn wrong_words_before_fn_are_mended() {
    let text = expanded(Word::Ssf, quote! {}, quote! { const unsafe fn f() {} });
    assert!(text.contains("    async fn f() {}\n"), "{text}");
}

#[test]
fn what_is_no_function_stays() {
    let item = quote! { struct Room { free: u32 } };
    assert_snapshot!(expanded(Word::Part, quote! {}, item), @r#"
    struct Room {
        free: u32,
    }
    ::core::compile_error! {
        "`#[beldi::part]` goes on an `async fn`: expected `fn`"
    }
    "#);
}

#[test]
fn the_lint_reads_paths_wherever_they_stand() {
    let body = quote! {
        let later = at.unwrap_or_else(std::time::Instant::now);
        let map: Vec<HashMap<String, u32>> = names.collect::<HashSet<_>>();
        println!("{}", [1, rand::random()].len());
        tokio::task::spawn(async { chrono::Utc::now() });
    };
    assert_debug_snapshot!(body_messages(&body), @r#"
    [
        "`std::time::Instant::now` differs between executions of one instance: write `beldi::now().await`",
        "`HashMap` is read in another order in every execution: write `BTreeMap`",
        "`HashSet` is read in another order in every execution: write `BTreeSet`",
        "`rand::random` differs between executions of one instance: write `beldi::random::<u64>().await`",
        "`tokio::task::spawn` starts work that no replay knows of: run branches with `beldi::join(a, b)`, or start another SSF with `f(input).send().await`",
        "`chrono::Utc::now` differs between executions of one instance: write `beldi::now().await`",
    ]
    "#);
}

#[test]
fn the_outside_world_may_do_as_it_likes() {
    let body = quote! {
        use std::time::Instant;
        fn outside() -> Instant { Instant::now() }
        effect("wait", async |_| println!("{:?}", Instant::now())).await;
        let work = vec![async move |key| { Instant::now(); work(key).await }, other];
        let rand = room.thread_rng();
    };
    assert_debug_snapshot!(body_messages(&body), @"[]");
}

#[test]
fn awaits_in_macros_and_races_are_found() {
    let body = quote! {
        println!("{}", (1, total().await));
        tokio::select! { a = one() => a.await }
        let both = join!(one(), two());
        my::join!(one, two);
    };
    assert_debug_snapshot!(body_messages(&body), @r#"
    [
        "an await inside a macro call cannot be numbered; bind it first: `let value = ….await;` and pass `value`",
        "a race has no winner that a replay could repeat: wait for all branches with `beldi::join(a, b)` or `beldi::join_all(..)`, and choose then",
        "branches side by side are numbered by their position: write `beldi::join(a, b)` or `beldi::join_all(..)`",
    ]
    "#);
}
