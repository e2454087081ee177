//! A call of another owner's service, from the caller's side.
//!
//! **Outside of a transaction**, in this order:
//!
//! 1. what was observed before is logged and the root registered, so every attempt that comes here asks
//!    the same,
//! 2. the question, under the id of the callee. Its service runs it once, and keeps the result.
//!
//! A crash before 2 has asked nothing. After it, or if the answer is lost, the next attempt asks again
//! and gets what is kept there, or finds it beside its own intent, if it was
//! [called back](crate::protocol::callback). So the reply needs no log before the next effect. A callee
//! that is called `read_only` is asked without 1: its id holds the input, and its answer is an
//! observation.
//!
//! **Inside a transaction**:
//!
//! 1. what was observed before is logged, so every attempt at this try asks the same,
//! 2. side by side: the registration of the root, and the question, with what the same service has
//!    prepared for this try before. The answer counts when both are through,
//! 3. the callee's record joins those that the [decision](crate::protocol::txn) will list.
//!
//! A crash in or after 2 leaves locks and maybe a record over there, listed by nobody. The next attempt
//! asks again, and gets what stands. If none comes, whoever meets one of those locks asks this service,
//! and has the try aborted once it is overdue.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join, select};

use super::{Declined, Errand, Part, Peer, Vote};
use crate::engine::ops::bug;
use crate::engine::txn::{Context, Retry, Transaction, Within, refuse};
use crate::engine::what::{What, digest};
use crate::engine::{Step, Stop};
use crate::protocol::journal::Kind;
use crate::protocol::txn::Prepared;
use crate::store::StoreError;
use crate::value::Value;

impl Step {
    /// Calls an SSF of another service.
    pub(crate) async fn call_service(
        &self,
        service: &str,
        ssf: &str,
        read_only: bool,
        input: Value,
    ) -> Value {
        let digest = digest(&input);
        let what = What::new(Kind::Call, &[service, ssf, &digest]);
        let read_only = read_only && matches!(self.context, Context::Plain);
        let callee = match read_only {
            // What led to the input is not logged yet: another attempt may come with another one.
            true => format!("{service}/{ssf}/{digest}"),
            false => format!("{service}/{ssf}"),
        };
        let errand = Errand {
            callee: self.instance.id.callee(&self.path, &callee),
            root: self.instance.attempt.intent.request_key.clone(),
            depth: self.or_stop(self.one_deeper(ssf)).await,
            ssf: ssf.to_owned(),
            read_only,
            input,
        };
        let peer = self.or_stop(self.route(service, ssf)).await;
        match &self.context {
            Context::Snapshot(_) => {
                let why =
                    "a read-only transaction cannot see what another service has at that instant";
                self.stop(refuse(&what.to_string(), why)).await
            }
            Context::Txn(within) => {
                let prepared = self.prepare(within, &*peer, service, errand).await;
                self.or_stop(prepared).await
            }
            Context::Plain if read_only => self.observe(&what, self.ask(&*peer, errand)).await,
            // Its service keeps the result, so the reply needs no log before the next effect.
            Context::Plain => self.effect_on_row(&what, self.ask(&*peer, errand)).await,
        }
    }

    /// What the callee returns, or has returned to an earlier attempt that did not wait for it.
    async fn ask(&self, peer: &dyn Peer, errand: Errand) -> Result<Value, Stop> {
        if let Some(Some(result)) = self.instance.attempt.intent.called_back.get(&errand.callee) {
            return Ok(result.clone());
        }
        let answer = self.in_time(|patience| peer.call(errand, patience)).await?;
        answer.map_err(|no| no.stop(None))
    }

    /// The answer of another service, if it comes in time; otherwise the attempt halts, and asks later.
    async fn in_time<A: Future>(&self, ask: impl FnOnce(Duration) -> A) -> Result<A::Output, Stop> {
        let patience = self.instance.attempt.patience();
        match select(pin!(ask(patience)), self.service().outside.sleep(patience)).await {
            Either::Left((answer, _)) => Ok(answer),
            Either::Right(_) => {
                let why = format!("another service has not answered within {patience:?}");
                Err(Stop::Halt(StoreError::Unavailable(why)))
            }
        }
    }

    fn route(&self, service: &str, ssf: &str) -> Result<Arc<dyn Peer>, Stop> {
        self.service().peers.find(service).ok_or_else(|| {
            let text = format!(
                "no route to service `{service}`, which has `{ssf}`: connect the two with `Host::connect`"
            );
            bug("no_route", text)
        })
    }

    async fn prepare(
        &self,
        within: &Within,
        peer: &dyn Peer,
        service: &str,
        errand: Errand,
    ) -> Result<Value, Stop> {
        if self.instance.attempt.takes_part() {
            let why = "this service takes part in another's transaction, and cannot bring in a third: \
                       let the one that began it call both";
            return Err(refuse(&format!("`{service}` is called"), why));
        }
        let Within { transaction, layer } = within;
        let turn = transaction.take_part(service);
        // Each callee has to know what those before it have prepared there.
        let _turn = turn.lock().await;
        let (before, instance) = (layer.prepared(service), errand.callee);
        let part = Part { txn: transaction.txn.clone(), tenure: transaction.tenure(), before };
        self.instance.before_call(&self.path).await?;
        // A root that others hold locks for must not be registered late, behind the horizon: nobody
        // there could tell its commit from one that was collected.
        let registered = self.instance.before_effect(&self.path);
        let vote = self.in_time(|_| peer.prepare(errand, part));
        let (registered, vote) = join(registered, vote).await;
        registered?;
        let Vote { result, tenure } = vote?;
        transaction.note(tenure);
        let result = result.map_err(|no| no.stop(Some(transaction)))?;
        let service = service.to_owned();
        layer.staged().prepared.push(Prepared { service, instance, commit: true });
        Ok(result)
    }
}

impl Declined {
    fn stop(self, transaction: Option<&Arc<Transaction>>) -> Stop {
        match self {
            Self::Unavailable(why) => Stop::Halt(StoreError::Unavailable(why)),
            Self::Refused(reason) => Stop::Park(reason),
            Self::Failed(reason) => Stop::Fail(reason),
            Self::GaveWay(reason) => {
                let transaction = transaction.cloned();
                Stop::Retry(Box::new(Retry {
                    transaction,
                    is_taken_over: false,
                    met: None,
                    reason,
                }))
            }
            Self::Decided => Stop::Adopt,
        }
    }
}
