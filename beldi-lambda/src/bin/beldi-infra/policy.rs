//! What each function may do, and nothing else.

use beldi::store::DynamoStore;
use serde_json::{Map, Value, json};

use crate::plan::{Function, Plan};

/// Where ARNs point, in the words of a form.
pub(crate) struct Place<'p> {
    pub(crate) partition: &'p str,
    pub(crate) region: &'p str,
    pub(crate) account: &'p str,
}

/// What a function may do to what.
pub(crate) struct Statement {
    pub(crate) sid: &'static str,
    pub(crate) actions: Vec<&'static str>,
    pub(crate) resources: Vec<String>,
}

/// Everything that a function may do.
pub(crate) fn statements(plan: &Plan, function: &Function, place: &Place<'_>) -> Vec<Statement> {
    let mut statements = vec![
        Statement {
            sid: "State",
            actions: vec![
                "dynamodb:GetItem",
                "dynamodb:UpdateItem",
                "dynamodb:DeleteItem",
                "dynamodb:Query",
            ],
            resources: vec![place.arn("dynamodb", &format!("table/{}", plan.service))],
        },
        Statement {
            sid: "DueIndex",
            actions: vec!["dynamodb:Query"],
            resources: vec![
                place.arn(
                    "dynamodb",
                    &format!("table/{}/index/{}", plan.service, DynamoStore::INDEX),
                ),
            ],
        },
        Statement {
            sid: "Calls",
            actions: vec!["lambda:InvokeFunction"],
            resources: callees(plan, function, place),
        },
        Statement {
            sid: "Failures",
            actions: vec!["sqs:SendMessage"],
            resources: vec![place.arn("sqs", &plan.failures())],
        },
        Statement {
            sid: "Logs",
            actions: vec!["logs:CreateLogStream", "logs:PutLogEvents"],
            // The streams of one group; their names are Lambda's.
            resources: vec![
                place.arn("logs", &format!("log-group:/aws/lambda/{}:log-stream:*", function.name)),
            ],
        },
        Statement {
            sid: "Traces",
            actions: vec!["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
            // X-Ray knows no resources.
            resources: vec!["*".to_owned()],
        },
    ];
    if function.name == plan.collector().name {
        statements.push(Statement {
            sid: "LookAtTable",
            actions: vec!["dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"],
            resources: vec![place.arn("dynamodb", &format!("table/{}", plan.service))],
        });
    }
    let queues: Vec<_> =
        plan.queues_of(function).map(|queue| place.arn("sqs", &queue.name)).collect();
    if !queues.is_empty() {
        statements.push(Statement {
            sid: "Queues",
            actions: vec!["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
            resources: queues,
        });
    }
    statements
}

/// Itself, to begin what it sends, and the services it calls.
fn callees(plan: &Plan, function: &Function, place: &Place<'_>) -> Vec<String> {
    let itself = place.arn("lambda", &format!("function:{}", function.name));
    let peers = plan.peers.iter().map(|peer| match peer.function.starts_with("arn:") {
        true => peer.function.clone(),
        false => place.arn("lambda", &format!("function:{}", peer.function)),
    });
    std::iter::once(itself).chain(peers).collect()
}

impl Place<'_> {
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        let Self { partition, region, account } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// The policies of all functions, by name.
pub(crate) fn policies(plan: &Plan, region: &str, account: &str) -> String {
    let place = Place { partition: "aws", region, account };
    let all: Map<_, _> = plan
        .functions
        .iter()
        .map(|function| (function.name.clone(), document(&statements(plan, function, &place))))
        .collect();
    format!("{:#}\n", Value::Object(all))
}

fn document(statements: &[Statement]) -> Value {
    let statements: Vec<_> = statements
        .iter()
        .map(|Statement { sid, actions, resources }| {
            json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources })
        })
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}
