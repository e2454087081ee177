//! The life of one process: it starts, takes one invocation after the other, and dies.

use std::fs::{File, OpenOptions};
use std::future::{pending, ready};
use std::io;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use beldi::{Outside as _, RealOutside};
use futures_util::future::Either;
use rustix::process::{Pid, kill_process};
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

pub(super) use rustix::process::Signal;

use super::function::Function;
use super::killer::Moment;
use super::pool::{Ended, Job, Pool, Throttled};

/// How long a process may take until it asks for an invocation.
const START: Duration = Duration::from_secs(10);

/// What a process says over the Runtime API.
#[derive(Debug)]
pub(super) enum Said {
    /// It wants an invocation.
    Next(oneshot::Sender<Given>),
    /// It has ended the invocation with this id; it is told whether it had that one.
    Ended { id: String, ended: Ended, heard: oneshot::Sender<bool> },
    /// It could not start.
    InitError(Bytes),
}

/// An invocation, as the process gets it.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) id: String,
    pub(super) payload: Bytes,
    /// Milliseconds since 1970.
    pub(super) deadline: u64,
    pub(super) arn: String,
}

/// The process is dead; it may leave an invocation that it never saw.
struct Dead(Option<Job>);

struct Worker {
    id: u64,
    pool: Arc<Pool>,
    function: Arc<Function>,
    process: Child,
    said: mpsc::UnboundedReceiver<Said>,
    /// It waits for an invocation, and stands still.
    asked: Option<oneshot::Sender<Given>>,
}

/// Starts a process for the invocation.
pub(super) fn start(pool: Arc<Pool>, id: u64, function: Arc<Function>, job: Job) {
    tokio::spawn(async move {
        let left = match Worker::start(&pool, id, &function) {
            Ok(worker) => worker.live(job).await,
            Err(error) => {
                let problem = format!("{}: {error}", function.program.display());
                job.fail("Runtime.InvalidEntrypoint", &problem);
                None
            }
        };
        pool.remove(id, &function.name);
        if let Some(job) = left
            && let Err(Throttled(job)) = pool.dispatch(&function, job)
        {
            job.fail("Sandbox.Failure", "the process ended, and no other was free");
        }
    });
}

impl Worker {
    fn start(pool: &Arc<Pool>, id: u64, function: &Arc<Function>) -> io::Result<Self> {
        let process = command(pool, id, function)?.spawn()?;
        let (say, said) = mpsc::unbounded_channel();
        let number = process.id().unwrap_or_default();
        if !pool.open_door(id, &function.name, number, say) {
            return Err(io::Error::other("the host is closed"));
        }
        let (pool, function) = (Arc::clone(pool), Arc::clone(function));
        Ok(Self { id, pool, function, process, said, asked: None })
    }

    /// Until the process is dead. What comes back was never begun.
    async fn live(mut self, first: Job) -> Option<Job> {
        let mut served = self.serve(first, true).await;
        loop {
            let job = match served {
                Ok(()) => self.wait().await,
                Err(Dead(left)) => return left,
            };
            served = match job {
                Ok(job) => self.serve(job, false).await,
                Err(Dead(left)) => return left,
            };
        }
    }

    /// One invocation. That an old process is dead before it has it is not the invocation's fault.
    async fn serve(&mut self, job: Job, is_new: bool) -> Result<(), Dead> {
        let asked = match self.asked().await {
            Ok(asked) => asked,
            Err(_) if !is_new => return Err(Dead(Some(job))),
            Err(error) => {
                let _ = job.ended.send(Ended::Error(error));
                return Err(Dead(None));
            }
        };
        self.signal(Signal::CONT);
        let limit = u64::try_from(self.function.time_out.as_millis()).unwrap_or(u64::MAX);
        let given = Given {
            id: job.id.clone(),
            payload: job.payload.clone(),
            deadline: RealOutside.now().saturating_add(limit),
            arn: self.function.arn(),
        };
        if asked.send(given).is_err() {
            self.kill().await;
            return Err(Dead(Some(job)));
        }
        let moment = self.pool.begin(&self.function.name, &job.payload);
        debug!(function = self.function.name, request = job.id, ?moment, "begun");
        self.until_ended(job, moment).await
    }

    /// From the moment that the process has its invocation.
    async fn until_ended(&mut self, job: Job, moment: Option<Moment>) -> Result<(), Dead> {
        let mut late = pin!(sleep(self.function.time_out));
        let mut fate = pin!(match moment {
            Some(Moment::Start) => Either::Left(Either::Left(ready(()))),
            Some(Moment::After(time)) => Either::Left(Either::Right(sleep(time))),
            _ => Either::Right(pending()),
        });
        loop {
            tokio::select! {
                Some(said) = self.said.recv() => match said {
                    Said::Ended { id, ended, heard } if id == job.id => {
                        return self.ended(job, ended, heard, moment).await;
                    }
                    other => self.hear(other),
                },
                status = self.process.wait() => {
                    self.note_exit();
                    job.fail("Runtime.ExitError", &exited(status));
                    return Err(Dead(None));
                }
                () = &mut fate => {
                    self.kill_by_script(moment).await;
                    job.fail("Runtime.ExitError", KILLED);
                    return Err(Dead(None));
                }
                () = &mut late => {
                    self.kill().await;
                    self.pool.note(&self.function.name, |counts| counts.time_outs += 1);
                    let seconds = self.function.time_out.as_secs_f64();
                    job.fail("Sandbox.Timedout", &format!("Task timed out after {seconds:.2} seconds"));
                    return Err(Dead(None));
                }
            }
        }
    }

    /// The process has answered: whether anybody hears it is up to the killer.
    async fn ended(
        &mut self,
        job: Job,
        ended: Ended,
        heard: oneshot::Sender<bool>,
        moment: Option<Moment>,
    ) -> Result<(), Dead> {
        if moment == Some(Moment::Unheard) {
            self.kill_by_script(moment).await;
            job.fail("Runtime.ExitError", KILLED);
            return Err(Dead(None));
        }
        let is_error = matches!(ended, Ended::Error(_));
        self.pool.note(&self.function.name, |counts| {
            counts.errors += u64::from(is_error);
            counts.answers += u64::from(!is_error);
        });
        debug!(function = self.function.name, request = job.id, is_error, "answered");
        let _ = heard.send(true);
        let _ = job.ended.send(ended);
        if moment == Some(Moment::Idle) {
            self.kill_by_script(moment).await;
            return Err(Dead(None));
        }
        Ok(())
    }

    /// Between two invocations.
    async fn wait(&mut self) -> Result<Job, Dead> {
        let (give, mut given) = oneshot::channel();
        self.pool.wait(self.id, &self.function.name, give);
        loop {
            tokio::select! {
                job = &mut given => match job {
                    Ok(job) => return Ok(job),
                    Err(_) => {
                        self.kill().await;
                        return Err(Dead(None));
                    }
                },
                Some(said) = self.said.recv() => {
                    self.hear(said);
                    if self.asked.is_some() {
                        self.signal(Signal::STOP);
                    }
                }
                _ = self.process.wait() => {
                    self.note_exit();
                    given.close();
                    return Err(Dead(given.try_recv().ok()));
                }
            }
        }
    }

    /// Waits until the process asks for an invocation; gives the JSON of an error if it does not.
    async fn asked(&mut self) -> Result<oneshot::Sender<Given>, Bytes> {
        let asking = async {
            loop {
                if let Some(asked) = self.asked.take() {
                    return Ok(asked);
                }
                tokio::select! {
                    Some(said) = self.said.recv() => match said {
                        Said::InitError(error) => return Err(error),
                        said => self.hear(said),
                    },
                    status = self.process.wait() => {
                        self.note_exit();
                        return Err(error_json("Runtime.ExitError", &exited(status)));
                    }
                }
            }
        };
        let Ok(asked) = timeout(START, asking).await else {
            self.kill().await;
            self.pool.note(&self.function.name, |counts| counts.time_outs += 1);
            return Err(error_json(
                "Sandbox.Timedout",
                "the process did not ask for an invocation",
            ));
        };
        if asked.is_err() {
            self.kill().await;
        }
        asked
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::Next(asked) => self.asked = Some(asked),
            Said::Ended { heard, .. } => drop(heard.send(false)),
            Said::InitError(_) => {}
        }
    }

    fn signal(&self, what: Signal) {
        if let Some(process) = self.process.id() {
            signal(process, what);
        }
    }

    async fn kill_by_script(&mut self, moment: Option<Moment>) {
        self.kill().await;
        if let Some(moment) = moment {
            self.pool.note(&self.function.name, |counts| counts.note_kill(moment));
        }
    }

    async fn kill(&mut self) {
        if let Err(error) = self.process.kill().await {
            warn!(function = self.function.name, %error, "a process could not be killed");
        }
    }

    fn note_exit(&self) {
        self.pool.note(&self.function.name, |counts| counts.exits += 1);
    }
}

fn command(pool: &Pool, id: u64, function: &Function) -> io::Result<Command> {
    let mut command = Command::new(&function.program);
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let (out, err) = match &function.log {
        Some(file) => {
            let file: File = OpenOptions::new().create(true).append(true).open(file)?;
            (Stdio::from(file.try_clone()?), Stdio::from(file))
        }
        None => (Stdio::null(), Stdio::null()),
    };
    command.stdout(out).stderr(err);
    let host = format!("http://{}", pool.address);
    command.env("AWS_LAMBDA_RUNTIME_API", format!("{host}/{id}"));
    command.env("AWS_ENDPOINT_URL_LAMBDA", &host);
    command.env("AWS_LAMBDA_FUNCTION_NAME", &function.name);
    command.env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
    command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769");
    command.env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name));
    command.env("AWS_LAMBDA_LOG_STREAM_NAME", id.to_string());
    command.env("AWS_REGION", "us-east-1");
    // Its role. Nobody checks the secret, but nobody sends without one.
    command.env("AWS_ACCESS_KEY_ID", &function.name).env("AWS_SECRET_ACCESS_KEY", "none");
    command.envs(&function.environment);
    Ok(command)
}

impl Job {
    /// Tells whoever invoked the function what the platform says of it.
    fn fail(self, kind: &str, what: &str) {
        debug!(request = self.id, kind, what, "failed");
        let what = format!("RequestId: {} Error: {what}", self.id);
        let _ = self.ended.send(Ended::Error(error_json(kind, &what)));
    }
}

const KILLED: &str = "Runtime exited with error: signal: killed";

fn exited(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) if status.success() => "Runtime exited without providing a reason".to_owned(),
        Ok(status) => format!("Runtime exited with error: {status}"),
        Err(error) => format!("Runtime exited: {error}"),
    }
}

fn error_json(kind: &str, what: &str) -> Bytes {
    json!({ "errorType": kind, "errorMessage": what }).to_string().into()
}

/// To a process that may be gone.
pub(super) fn signal(process: u32, signal: Signal) {
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        let _ = kill_process(process, signal);
    }
}
