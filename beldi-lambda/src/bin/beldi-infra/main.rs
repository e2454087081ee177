//! Prints what a service needs on AWS, to be reviewed, kept and deployed.
//!
//! ```text
//! beldi-infra sam --service shop --function order --queue orders --peer payments=pay > template.yaml
//! ```

mod plan;
mod policy;
mod sam;
mod terraform;

use clap::{Args, Parser, Subcommand};

use self::plan::{Caller, Function, Peer, Plan, Queue};

#[derive(Parser)]
#[command(version, about = "Prints what a service of beldi needs on AWS")]
struct Command {
    #[command(subcommand)]
    form: Form,
}

#[derive(Subcommand)]
enum Form {
    /// A template for the Serverless Application Model, which CloudFormation deploys
    Sam(Service),
    /// A module for Terraform
    Terraform(Service),
    /// The least policy of each function, alone
    Policy {
        #[command(flatten)]
        service: Service,
        /// The account that the functions run in
        #[arg(long, default_value = "123456789012")]
        account: String,
        /// The region that the functions run in
        #[arg(long, default_value = "eu-central-1")]
        region: String,
    },
}

#[derive(Args)]
struct Service {
    /// The name of the service, as `App::new` has it; its table is called the same
    #[arg(long, value_parser = plan::service)]
    service: String,
    /// A function, and the SSF it stands for if it stands for one; the first runs the collectors
    #[arg(long = "function", value_name = "NAME[=SSF]", required = true)]
    functions: Vec<Function>,
    /// Another owner's service, and its function's name or ARN
    #[arg(long = "peer", value_name = "SERVICE=FUNCTION")]
    peers: Vec<Peer>,
    /// A queue, and the function that takes its messages if it is not the first
    #[arg(long = "queue", value_name = "NAME[=FUNCTION]")]
    queues: Vec<Queue>,
    /// The role of another account's function that calls this service, and which function it calls if
    /// it is not the first
    #[arg(long = "caller", value_name = "ROLE_ARN[=FUNCTION]")]
    callers: Vec<Caller>,
}

impl Service {
    fn plan(self) -> Plan {
        let Self { service, functions, peers, queues, callers } = self;
        Plan::new(service, functions, peers, queues, callers).unwrap_or_else(|mistake| {
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{mistake}\n")).exit()
        })
    }
}

fn main() {
    let printed = match Command::parse().form {
        Form::Sam(service) => sam::template(&service.plan()),
        Form::Terraform(service) => terraform::module(&service.plan()),
        Form::Policy { service, account, region } => {
            policy::policies(&service.plan(), &region, &account)
        }
    };
    print!("{printed}");
}
