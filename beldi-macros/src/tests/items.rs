//! Whole items.

use insta::assert_snapshot;
use quote::quote;

use super::expanded;
use crate::pipeline::Word;

#[test]
fn an_ssf_is_a_call_a_contract_a_handler_and_a_type() {
    let item = quote! {
        /// Takes one room.
        #[allow(unused)]
        pub async fn reserve_room(hotel: String) -> Result<(), SoldOut> {
            ROOMS.put(&hotel, &Room { free: 0 }).await;
            Ok(())
        }
    };
    assert_snapshot!(expanded(Word::Ssf, quote! {}, item), @r#"
    /// Takes one room.
    #[allow(unused)]
    pub fn reserve_room(hotel: String) -> ::beldi::__private::Call<reserve_room> {
        ::beldi::__private::call::<reserve_room>(hotel)
    }
    impl ::beldi::__private::Ssf for reserve_room {
        const NAME: &'static str = "reserve_room";
        const SERVICE: ::core::option::Option<&'static str> = ::core::option::Option::None;
        const READ_ONLY: bool = false;
        const FALLIBLE: bool = {
            #[allow(unused_imports)]
            use ::beldi::__private::NotResult as _;
            ::beldi::__private::Probe::<Self::Output>::IS_RESULT
        };
        type Input = String;
        type Output = Result<(), SoldOut>;
    }
    impl ::beldi::__private::Handler for reserve_room {
        const CODE: u64 = 9510298874194146650u64;
        fn run(
            input: Self::Input,
        ) -> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send {
            Self::reserve_room(input)
        }
    }
    impl reserve_room {
        #[allow(dead_code, clippy::unused_async)]
        #[deny(clippy::disallowed_methods, clippy::disallowed_types)]
        #[allow(unused)]
        async fn reserve_room(hotel: String) -> Result<(), SoldOut> {
            ::beldi::__private::step(ROOMS.put(&hotel, &Room { free: 0 })).await;
            Ok(())
        }
    }
    /// Takes one room.
    #[allow(non_camel_case_types, missing_debug_implementations)]
    pub struct reserve_room {}
    "#);
}

#[test]
fn an_ssf_may_take_nothing_and_change_nothing() {
    let options = quote! { name = "hotel-count", read_only };
    let item = quote! { async fn count() -> usize { HOTELS.scan(..).await.len() } };
    assert_snapshot!(expanded(Word::Ssf, options, item), @r#"
    fn count() -> ::beldi::__private::Call<count> {
        ::beldi::__private::call::<count>(())
    }
    impl ::beldi::__private::Ssf for count {
        const NAME: &'static str = "hotel-count";
        const SERVICE: ::core::option::Option<&'static str> = ::core::option::Option::None;
        const READ_ONLY: bool = true;
        const FALLIBLE: bool = {
            #[allow(unused_imports)]
            use ::beldi::__private::NotResult as _;
            ::beldi::__private::Probe::<Self::Output>::IS_RESULT
        };
        type Input = ();
        type Output = usize;
    }
    impl ::beldi::__private::ReadOnly for count {}
    impl ::beldi::__private::Handler for count {
        const CODE: u64 = 5235368425377352377u64;
        fn run(
            (): Self::Input,
        ) -> impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send {
            Self::count()
        }
    }
    impl count {
        #[allow(dead_code, clippy::unused_async)]
        #[deny(clippy::disallowed_methods, clippy::disallowed_types)]
        async fn count() -> usize {
            ::beldi::__private::read_only_step(HOTELS.scan(..)).await.len()
        }
    }
    #[allow(non_camel_case_types, missing_debug_implementations)]
    struct count {}
    "#);
}

#[test]
fn a_client_has_no_handler() {
    let options = quote! { service = "payments" };
    let item = quote! { #[must_use] pub async fn charge(Bill { cents, .. }: Bill) -> bool; };
    assert_snapshot!(expanded(Word::Ssf, options, item), @r#"
    #[must_use]
    pub fn charge(input: Bill) -> ::beldi::__private::Call<charge> {
        ::beldi::__private::call::<charge>(input)
    }
    impl ::beldi::__private::Ssf for charge {
        const NAME: &'static str = "charge";
        const SERVICE: ::core::option::Option<&'static str> = ::core::option::Option::Some(
            "payments",
        );
        const READ_ONLY: bool = false;
        const FALLIBLE: bool = {
            #[allow(unused_imports)]
            use ::beldi::__private::NotResult as _;
            ::beldi::__private::Probe::<Self::Output>::IS_RESULT
        };
        type Input = Bill;
        type Output = bool;
    }
    #[allow(non_camel_case_types, missing_debug_implementations)]
    pub struct charge {}
    "#);
}

#[test]
fn a_part_is_a_function_that_returns_an_operation() {
    let item = quote! {
        /// Reads.
        pub(crate) async fn get<'a, T: Key>(&self, key: &'a T) -> Result<&'a T, Missing>
        where
            T: Sync,
        {
            self.table.get(key).await?;
            Ok(key)
        }
    };
    assert_snapshot!(expanded(Word::Part, quote! {}, item), @r"
    #[deny(clippy::disallowed_methods, clippy::disallowed_types)]
    /// Reads.
    pub(crate) fn get<'a, T: Key>(
        &self,
        key: &'a T,
    ) -> impl ::beldi::__private::Operation<Output = Result<&'a T, Missing>>
    where
        T: Sync,
    {
        ::beldi::__private::branch(async move {
            if false {
                return ::core::option::Option::<Result<&'a T, Missing>>::None.unwrap();
            }
            ::beldi::__private::step(self.table.get(key)).await?;
            Ok(key)
        })
    }
    ");
}

#[test]
fn a_part_in_a_trait_may_have_no_body() {
    let item = quote! { async fn rate(&self); };
    let text = crate::pipeline::run(Word::Part, quote! { read_only }, item).to_string();
    assert_snapshot!(text, @r"# [deny (clippy :: disallowed_methods , clippy :: disallowed_types)] fn rate (& self) -> impl :: beldi :: __private :: ReadOnlyOperation < Output = () > ;");
}

#[test]
fn the_facade_may_have_another_name() {
    let options = quote! { crate = crate::durable };
    let item = quote! { async fn helper() { (other()).await } };
    assert_snapshot!(expanded(Word::Part, options, item), @r"
    #[deny(clippy::disallowed_methods, clippy::disallowed_types)]
    fn helper() -> impl crate::durable::__private::Operation<Output = ()> {
        crate::durable::__private::branch(async move {
            if false {
                return ::core::option::Option::<()>::None.unwrap();
            }
            crate::durable::__private::step(other()).await
        })
    }
    ");
}

#[test]
fn a_transaction_is_one_step_over_its_whole_body() {
    let item = quote! {
        async fn transfer(amount: u32) -> Result<u32, NoFunds> {
            Ok(withdraw(amount).await?)
        }
    };
    let text = expanded(Word::Txn, quote! {}, item);
    let (_, method) = text.split_once("impl transfer {").expect("the handler is there");
    let (method, _) = method.split_once("#[allow(non_camel").expect("the type comes last");
    assert_snapshot!(method, @r"
        #[allow(dead_code, clippy::unused_async)]
        #[deny(clippy::disallowed_methods, clippy::disallowed_types)]
        async fn transfer(amount: u32) -> Result<u32, NoFunds> {
            ::beldi::__private::step(
                    ::beldi::__private::txn(
                        ::beldi::__private::branch(async move {
                            if false {
                                return ::core::option::Option::<Result<u32, NoFunds>>::None
                                    .unwrap();
                            }
                            Ok(::beldi::__private::step(withdraw(amount)).await?)
                        }),
                    ),
                )
                .await
        }
    }
    ");
}

#[test]
fn a_transaction_may_be_a_part_and_may_only_read() {
    let item = quote! {
        async fn total(accounts: &[String]) -> u32 {
            ACCOUNTS.get_many(accounts).await
        }
    };
    let text = expanded(Word::Txn, quote! { part, read_only }, item);
    assert_snapshot!(text, @r"
    #[deny(clippy::disallowed_methods, clippy::disallowed_types)]
    fn total(
        accounts: &[String],
    ) -> impl ::beldi::__private::ReadOnlyOperation<Output = u32> {
        ::beldi::__private::snapshot(
            ::beldi::__private::read_only_branch(async move {
                if false {
                    return ::core::option::Option::<u32>::None.unwrap();
                }
                ::beldi::__private::read_only_step(ACCOUNTS.get_many(accounts)).await
            }),
        )
    }
    ");
}
