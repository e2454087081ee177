//! Where the next step gets its number: a scope per handler and branch, carried by the poll.
//!
//! The scope is set around each poll of a handler's or branch's future, so nothing is captured and
//! nothing passed, and a branch on another thread still finds its own. While the log says that the
//! code up to the next step ran before, the scope is *quiet*: tracing goes nowhere, so no log line
//! of the user's appears twice because of a replay.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll, ready};

use pin_project_lite::pin_project;
use tracing::{Dispatch, Span, dispatcher, info_span};

use super::txn::Context;
use super::{Instance, Step};
use crate::path::Path;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
}

/// The steps of one handler or branch.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) instance: Arc<Instance>,
    prefix: Path,
    context: Context,
    claimed: AtomicU32,
    quiet: AtomicBool,
    /// What encloses the handler: the request, or the caller's own span.
    outer: Span,
    span: Mutex<Span>,
}

impl Scope {
    /// The scope whose steps have paths below `prefix`.
    pub(crate) fn new(instance: Arc<Instance>, prefix: Path, context: Context) -> Arc<Self> {
        let scope = Self {
            quiet: AtomicBool::new(instance.is_logged(&prefix.child(0))),
            outer: Span::current(),
            span: Mutex::new(Span::none()),
            instance,
            prefix,
            context,
            claimed: AtomicU32::new(0),
        };
        scope.show(&scope.prefix);
        Arc::new(scope)
    }

    /// The scope of the code that is being polled on this thread.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// The path of the next step, in program order.
    pub(crate) fn claim(&self) -> Path {
        self.prefix.child(self.claimed.fetch_add(1, Ordering::Relaxed))
    }

    /// The step at a path claimed here.
    pub(crate) fn step(&self, path: Path) -> Step {
        Step { instance: Arc::clone(&self.instance), path, context: self.context.clone() }
    }

    /// User code ends here and a step begins.
    pub(crate) async fn enter_step(&self) {
        if self.quiet.swap(false, Ordering::Relaxed) {
            repoll().await;
        }
    }

    /// The step at `path` ended and user code goes on.
    pub(crate) async fn leave_step(&self, path: &Path) {
        let next = self.prefix.child(self.claimed.load(Ordering::Relaxed));
        let quiet = self.instance.is_logged(&next);
        self.quiet.store(quiet, Ordering::Relaxed);
        if self.show(path) || quiet {
            repoll().await;
        }
    }

    /// Puts the path into the span of the user's log lines; tells whether anybody listens.
    fn show(&self, path: &Path) -> bool {
        let Instance { ssf, attempt, .. } = &*self.instance;
        let intent = &attempt.intent;
        let span = info_span!(
            parent: &self.outer,
            "ssf",
            ssf,
            instance = %intent.request_key,
            step = %path,
            attempt = intent.attempts,
        );
        let listened = !span.is_disabled();
        if listened {
            *self.span.lock().unwrap_or_else(PoisonError::into_inner) = span;
        }
        listened
    }

    fn span(&self) -> Span {
        self.span.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Lets the enclosing [`Scoped`] poll once more, with what the scope has become.
async fn repoll() {
    let mut polled = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

pin_project! {
    /// A future whose steps belong to a scope.
    #[derive(Debug)]
    pub(crate) struct Scoped<F> {
        scope: Arc<Scope>,
        #[pin]
        inner: F,
    }
}

impl<F> Scoped<F> {
    pub(crate) fn new(scope: Arc<Scope>, inner: F) -> Self {
        Self { scope, inner }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _outer = Entered::new(Arc::clone(this.scope));
        let poll = || stacker::maybe_grow(LEVEL, MORE_STACK, || this.inner.poll(cx));
        let output = if this.scope.quiet.load(Ordering::Relaxed) {
            dispatcher::with_default(&Dispatch::none(), poll)
        } else {
            this.scope.span().in_scope(poll)
        };
        Poll::Ready(ready!(output))
    }
}

/// What one level of calls and the store below it need of the stack, in bytes; without optimization that
/// is a lot, and a thread of a test or a runtime has 2 MiB.
const LEVEL: usize = 512 * 1024;
/// How much is added where less is left.
const MORE_STACK: usize = 4 * 1024 * 1024;

/// Restores the outer scope, also when the handler panics.
struct Entered(Option<Arc<Scope>>);

impl Entered {
    fn new(scope: Arc<Scope>) -> Self {
        Self(CURRENT.replace(Some(scope)))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}
