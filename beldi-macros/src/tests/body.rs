//! Bodies: what is rewritten and what is left alone.

use insta::assert_snapshot;
use quote::quote;

use super::rewritten;

#[test]
fn awaits_become_steps_operands_first() {
    let body = quote! {
        let room = ROOMS.get(&key().await).await.ok_or(SoldOut)?;
        match beldi::now().await {
            at if at > room.until => return late(at).await?,
            _ => {}
        }
        (if room.free { ask() } else { other() }).await
    };
    assert_snapshot!(rewritten(&body), @r"
    {
        let room = ::beldi::__private::step(
                ROOMS.get(&::beldi::__private::step(key()).await),
            )
            .await
            .ok_or(SoldOut)?;
        match ::beldi::__private::step(beldi::now()).await {
            at if at > room.until => return ::beldi::__private::step(late(at)).await?,
            _ => {}
        }
        ::beldi::__private::step(if room.free { ask() } else { other() }).await
    }
    ");
}

#[test]
fn async_blocks_become_branches_in_closures_too() {
    let body = quote! {
        let fee = async { quote().await };
        join(fee, async { async move { hotel }.await }).await;
        join_all(ids.iter().map(|id| async move { ROOMS.get(id).await })).await
    };
    assert_snapshot!(rewritten(&body), @r"
    {
        let fee = ::beldi::__private::branch(async {
            ::beldi::__private::step(quote()).await
        });
        ::beldi::__private::step(
                join(
                    fee,
                    ::beldi::__private::branch(async {
                        ::beldi::__private::step(
                                ::beldi::__private::branch(async move { hotel }),
                            )
                            .await
                    }),
                ),
            )
            .await;
        ::beldi::__private::step(
                join_all(
                    ids
                        .iter()
                        .map(|id| ::beldi::__private::branch(async move {
                            ::beldi::__private::step(ROOMS.get(id)).await
                        })),
                ),
            )
            .await
    }
    ");
}

#[test]
fn async_closures_and_nested_items_stay() {
    let body = quote! {
        async fn helper() {
            async { sleep().await }.await
        }
        effect("wait", async |key| async { helper().await }.await).await
    };
    assert_snapshot!(rewritten(&body), @r#"
    {
        async fn helper() {
            async { sleep().await }.await
        }
        ::beldi::__private::step(
                effect("wait", async |key| async { helper().await }.await),
            )
            .await
    }
    "#);
}

#[test]
fn macro_arguments_are_read_as_expressions_where_they_are() {
    let body = quote! {
        assert_eq!(total, 3, "{}", name);
        let all = vec![async { 1 }, async { 2 }];
        matches!(total, 1 | 2 if true);
    };
    assert_snapshot!(rewritten(&body), @r#"
    {
        assert_eq!(total, 3, "{}", name);
        let all = vec![
            ::beldi::__private::branch(async { 1 }), ::beldi::__private::branch(async { 2
            })
        ];
        matches!(total, 1 | 2 if true);
    }
    "#);
}

#[test]
fn a_plain_closure_given_to_an_effect_is_mended() {
    let body = quote! { beldi::effect("charge", |key| async move { pay(key).await }).await };
    assert_snapshot!(rewritten(&body), @r#"
    {
        ::beldi::__private::step(
                beldi::effect("charge", async move |key| { pay(key).await }),
            )
            .await
    }
    "#);
}
