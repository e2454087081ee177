//! A store that is asked again before an attempt gives up.
//!
//! Every request of every protocol is safe to deliver twice, so an answer that does not come, or
//! says "unavailable", is met with the same request, a few times, with a growing jittered wait. A store
//! that does so itself is asked once: the tries of both would multiply.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};

use crate::limits::Limits;
use crate::outside::Outside;
use crate::store::{
    Condition, DuePage, DueQuery, Key, Page, Query, Result, Row, Store, StoreError, Update, Updated,
};

/// Wraps a store with time-outs and repetition.
#[derive(Clone)]
pub(crate) struct Patient {
    inner: Arc<dyn Store>,
    outside: Arc<dyn Outside>,
    time: Duration,
    tries: u32,
}

impl Patient {
    pub(crate) fn new(inner: Arc<dyn Store>, outside: Arc<dyn Outside>, limits: &Limits) -> Self {
        Self { inner, outside, time: limits.request_time, tries: limits.request_tries.max(1) }
    }

    async fn ask<'a, T>(
        &'a self,
        request: impl Fn() -> BoxFuture<'a, Result<T>> + Send,
    ) -> Result<T> {
        if self.inner.is_patient() {
            return request().await;
        }
        let mut tried = 1;
        loop {
            let error = match select(request(), self.outside.sleep(self.time)).await {
                Either::Left((Err(error), _)) if error.is_transient() => error,
                Either::Left((answer, _)) => return answer,
                Either::Right(_) => {
                    StoreError::Unavailable(format!("no answer within {:?}", self.time))
                }
            };
            if tried == self.tries {
                return Err(error);
            }
            let longest = 10 << tried.min(6);
            let wait = 1 + self.outside.random() % longest;
            self.outside.sleep(Duration::from_millis(wait)).await;
            tried += 1;
        }
    }
}

impl Store for Patient {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>>> {
        Box::pin(self.ask(|| self.inner.get(key)))
    }

    fn update<'a>(&'a self, key: &'a Key, update: &'a Update) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(self.ask(|| self.inner.update(key, update)))
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>> {
        Box::pin(self.ask(|| self.inner.query(query)))
    }

    fn due<'a>(&'a self, query: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>> {
        Box::pin(self.ask(|| self.inner.due(query)))
    }

    fn delete<'a>(&'a self, key: &'a Key, when: &'a Condition) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.ask(|| self.inner.delete(key, when)))
    }

    fn is_exclusive(&self) -> bool {
        self.inner.is_exclusive()
    }

    fn is_patient(&self) -> bool {
        true
    }

    fn due_lag(&self) -> Duration {
        self.inner.due_lag()
    }

    fn expires(&self) -> bool {
        self.inner.expires()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::testing::{VirtualOutside, in_virtual_time};

    /// It is always away.
    struct Away {
        is_patient: bool,
        asked: AtomicU32,
    }

    impl Away {
        fn answer<T: Send + 'static>(&self) -> BoxFuture<'_, Result<T>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err(StoreError::Unavailable("away".to_owned()))).boxed()
        }
    }

    impl Store for Away {
        fn get<'a>(&'a self, _: &'a Key) -> BoxFuture<'a, Result<Option<Row>>> {
            self.answer()
        }

        fn update<'a>(&'a self, _: &'a Key, _: &'a Update) -> BoxFuture<'a, Result<Updated>> {
            self.answer()
        }

        fn query<'a>(&'a self, _: &'a Query) -> BoxFuture<'a, Result<Page>> {
            self.answer()
        }

        fn due<'a>(&'a self, _: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>> {
            self.answer()
        }

        fn delete<'a>(&'a self, _: &'a Key, _: &'a Condition) -> BoxFuture<'a, Result<bool>> {
            self.answer()
        }

        fn is_patient(&self) -> bool {
            self.is_patient
        }
    }

    #[test]
    fn a_store_that_repeats_requests_itself_is_asked_once() {
        let limits = Limits::default();
        for (is_patient, tries) in [(false, limits.request_tries), (true, 1)] {
            in_virtual_time(async {
                let away = Arc::new(Away { is_patient, asked: AtomicU32::new(0) });
                let outside = Arc::new(VirtualOutside::new(1));
                let patient = Patient::new(away.clone(), outside, &limits);
                assert!(patient.get(&Key::new("p", "s")).await.is_err());
                assert_eq!(away.asked.load(Ordering::Relaxed), tries);
            });
        }
    }
}
