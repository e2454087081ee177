//! The service as a module of Terraform.

use std::fmt::Write as _;

use crate::plan::{
    FAILED, Function, INVISIBLE, KEPT, LOGGED, Peer, Plan, Queue, TICKS, TIMEOUT, Table, snake,
};
use crate::policy::{Place, Statement, statements};

const PLACE: Place<'_> = Place {
    partition: "${data.aws_partition.this.partition}",
    region: "${data.aws_region.this.region}",
    account: "${data.aws_caller_identity.this.account_id}",
};

pub(crate) fn module(plan: &Plan) -> String {
    let mut text = head(plan);
    text += &table(plan);
    text += &failures(plan);
    for queue in &plan.queues {
        text += &self::queue(queue);
    }
    for function in &plan.functions {
        text += &self::function(plan, function);
        text += &role(plan, function);
        for queue in plan.queues_of(function) {
            text += &mapping(queue, function);
        }
        for (number, role) in plan.callers_of(function) {
            text += &permission(function, number, role);
        }
    }
    for (collector, payload) in TICKS {
        text += &schedule(plan, collector, payload);
    }
    text += &parked(plan);
    text
}

fn permission(function: &Function, number: usize, role: &str) -> String {
    format!(
        r#"
# Another account's, which calls this service.
resource "aws_lambda_permission" "{id}_caller_{number}" {{
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.{id}.function_name
  principal     = "{role}"
}}
"#,
        id = snake(&function.name),
    )
}

fn head(plan: &Plan) -> String {
    let mut text = format!(
        r#"# The service `{service}` of beldi.

terraform {{
  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }}
  }}
}}

data "aws_partition" "this" {{}}
data "aws_region" "this" {{}}
data "aws_caller_identity" "this" {{}}

variable "alarm_topics" {{
  description = "ARNs of SNS topics that alarms are sent to"
  type        = list(string)
  default     = []
}}
"#,
        service = plan.service
    );
    for peer in &plan.peers {
        let _ = write!(
            text,
            r#"
variable "{peer}_key" {{
  description = "The secret that `{service}` and `{name}` seal their letters with"
  type        = string
  sensitive   = true
}}
"#,
            peer = snake(&peer.service),
            name = peer.service,
            service = plan.service
        );
    }
    text
}

fn table(plan: &Plan) -> String {
    format!(
        r#"
# The state of the service: nobody else may write it.
resource "aws_dynamodb_table" "state" {{
  name                        = "{service}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "{partition}"
  range_key                   = "{sort}"
  deletion_protection_enabled = true

  attribute {{
    name = "{partition}"
    type = "S"
  }}
  attribute {{
    name = "{sort}"
    type = "S"
  }}
  attribute {{
    name = "{shard}"
    type = "S"
  }}
  attribute {{
    name = "{order}"
    type = "N"
  }}
  global_secondary_index {{
    name            = "{index}"
    hash_key        = "{shard}"
    range_key       = "{order}"
    projection_type = "ALL"
  }}
  ttl {{
    attribute_name = "{expires}"
    enabled        = true
  }}
  point_in_time_recovery {{
    enabled = true
  }}
  server_side_encryption {{
    enabled = true
  }}
  lifecycle {{
    prevent_destroy = true
  }}
}}
"#,
        service = plan.service,
        partition = Table::PARTITION,
        sort = Table::SORT,
        shard = Table::SHARD,
        order = Table::ORDER,
        index = Table::INDEX,
        expires = Table::EXPIRES,
    )
}

fn failures(plan: &Plan) -> String {
    let alarm = alarm(&Alarm {
        id: "failures",
        name: &format!("{}-failures", plan.service),
        says: FAILED,
        namespace: "AWS/SQS",
        metric: "ApproximateNumberOfMessagesVisible",
        dimension: ("QueueName", "aws_sqs_queue.failures.name"),
        statistic: "Maximum",
    });
    format!(
        r#"
# Asynchronous invocations that failed for good, with their payload.
resource "aws_sqs_queue" "failures" {{
  name                      = "{name}"
  message_retention_seconds = {KEPT}
  sqs_managed_sse_enabled   = true
}}
{alarm}"#,
        name = plan.failures()
    )
}

fn queue(queue: &Queue) -> String {
    let (id, name, dead) = (snake(&queue.name), &queue.name, queue.dead());
    let is_fifo = queue.is_fifo();
    let alarm = alarm(&Alarm {
        id: &format!("{id}_dead"),
        name: &dead,
        says: &queue.alarm(),
        namespace: "AWS/SQS",
        metric: "ApproximateNumberOfMessagesVisible",
        dimension: ("QueueName", &format!("aws_sqs_queue.{id}_dead.name")),
        statistic: "Maximum",
    });
    format!(
        r#"
resource "aws_sqs_queue" "{id}" {{
  name       = "{name}"
  fifo_queue = {is_fifo}
  # Longer than an invocation, or a message is delivered again while it is worked on.
  visibility_timeout_seconds = {INVISIBLE}
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({{
    deadLetterTargetArn = aws_sqs_queue.{id}_dead.arn
    maxReceiveCount     = {deliveries}
  }})
}}

resource "aws_sqs_queue" "{id}_dead" {{
  name                      = "{dead}"
  fifo_queue                = {is_fifo}
  message_retention_seconds = {KEPT}
  sqs_managed_sse_enabled   = true
}}
{alarm}"#,
        deliveries = queue.deliveries()
    )
}

fn function(plan: &Plan, function: &Function) -> String {
    let (id, name) = (snake(&function.name), &function.name);
    let alarm = alarm(&Alarm {
        id: &format!("{id}_errors"),
        name: &format!("{name}-errors"),
        says: &format!("Invocations of {name} fail: its log tells why"),
        namespace: "AWS/Lambda",
        metric: "Errors",
        dimension: ("FunctionName", &format!("aws_lambda_function.{id}.function_name")),
        statistic: "Sum",
    });
    format!(
        r#"
# A call between services holds one of its own and one of the callee's. If concurrency is reserved,
# reserve more than the longest chain of calls needs, or they wait for each other.
resource "aws_lambda_function" "{id}" {{
  function_name    = "{name}"
  role             = aws_iam_role.{id}.arn
  runtime          = "provided.al2023"
  architectures    = ["arm64"]
  handler          = "bootstrap"
  filename         = "${{path.root}}/target/lambda/{name}/bootstrap.zip"
  source_code_hash = filebase64sha256("${{path.root}}/target/lambda/{name}/bootstrap.zip")
  memory_size      = 256
  timeout          = {TIMEOUT}

{environment}
  logging_config {{
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.{id}.name
  }}
  tracing_config {{
    mode = "Active"
  }}
}}

# Sends begin each other, and services call each other back: such chains are longer than the
# 16 that Lambda takes for a loop. Calls end at a depth of 64; an SSF that sends itself without
# an end is yours to stop.
resource "aws_lambda_function_recursion_config" "{id}" {{
  function_name  = aws_lambda_function.{id}.function_name
  recursive_loop = "Allow"
}}

resource "aws_lambda_function_event_invoke_config" "{id}" {{
  function_name          = aws_lambda_function.{id}.function_name
  maximum_retry_attempts = 2
  destination_config {{
    on_failure {{
      destination = aws_sqs_queue.failures.arn
    }}
  }}
}}

resource "aws_cloudwatch_log_group" "{id}" {{
  name              = "/aws/lambda/{name}"
  retention_in_days = {LOGGED}
}}
{alarm}"#,
        environment = environment(plan, function)
    )
}

fn environment(plan: &Plan, function: &Function) -> String {
    let mut variables = vec![("BELDI_TABLE", "aws_dynamodb_table.state.name".to_owned())];
    if let Some(ssf) = &function.ssf {
        variables.push(("BELDI_SSF", format!("\"{ssf}\"")));
    }
    if !plan.peers.is_empty() {
        let peer = |peer: &Peer| {
            let (service, function, key) = (&peer.service, &peer.function, snake(&peer.service));
            format!(
                "        \"{service}\" = {{ function = \"{function}\", key = var.{key}_key }}\n"
            )
        };
        let peers: String = plan.peers.iter().map(peer).collect();
        variables.push(("BELDI_PEERS", format!("jsonencode({{\n{peers}      }})")));
    }
    let widest = variables.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let shown: String =
        variables.iter().map(|(name, value)| format!("      {name:widest$} = {value}\n")).collect();
    format!("  environment {{\n    variables = {{\n{shown}    }}\n  }}\n")
}

fn role(plan: &Plan, function: &Function) -> String {
    format!(
        r#"
resource "aws_iam_role" "{id}" {{
  name = "{name}"
  assume_role_policy = jsonencode({{
    Version = "2012-10-17"
    Statement = [
      {{ Effect = "Allow", Action = "sts:AssumeRole", Principal = {{ Service = "lambda.amazonaws.com" }} }}
    ]
  }})
}}

resource "aws_iam_role_policy" "{id}" {{
  name = "least"
  role = aws_iam_role.{id}.id
  policy = jsonencode({{
    Version = "2012-10-17"
    Statement = [
{policy}    ]
  }})
}}
"#,
        id = snake(&function.name),
        name = plan.role(function),
        policy = statements(plan, function, &PLACE).iter().map(statement).collect::<String>(),
    )
}

fn statement(Statement { sid, actions, resources }: &Statement) -> String {
    format!(
        r#"      {{
        Sid      = "{sid}"
        Effect   = "Allow"
        Action   = {actions:?}
        Resource = {resources:?}
      }},
"#
    )
}

fn mapping(queue: &Queue, function: &Function) -> String {
    format!(
        r#"
resource "aws_lambda_event_source_mapping" "{queue}" {{
  event_source_arn        = aws_sqs_queue.{queue}.arn
  function_name           = aws_lambda_function.{function}.arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
}}
"#,
        queue = snake(&queue.name),
        function = snake(&function.name)
    )
}

fn schedule(plan: &Plan, collector: &str, payload: &str) -> String {
    format!(
        r#"
resource "aws_cloudwatch_event_rule" "{collector}" {{
  name                = "{name}"
  schedule_expression = "rate(1 minute)"
}}

resource "aws_cloudwatch_event_target" "{collector}" {{
  rule  = aws_cloudwatch_event_rule.{collector}.name
  arn   = aws_lambda_function.{id}.arn
  input = {payload:?}
  # The next one comes in a minute.
  retry_policy {{
    maximum_retry_attempts       = 0
    maximum_event_age_in_seconds = 60
  }}
}}

resource "aws_lambda_permission" "{collector}" {{
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.{id}.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.{collector}.arn
}}
"#,
        id = snake(&plan.collector().name),
        name = plan.rule(collector),
    )
}

struct Alarm<'a> {
    id: &'a str,
    name: &'a str,
    says: &'a str,
    namespace: &'a str,
    metric: &'a str,
    dimension: (&'a str, &'a str),
    statistic: &'a str,
}

fn alarm(alarm: &Alarm<'_>) -> String {
    let Alarm { id, name, says, namespace, metric, dimension, statistic } = alarm;
    let (dimension, value) = dimension;
    format!(
        r#"
resource "aws_cloudwatch_metric_alarm" "{id}" {{
  alarm_name          = "{name}"
  alarm_description   = "{says}"
  namespace           = "{namespace}"
  metric_name         = "{metric}"
  dimensions          = {{ {dimension} = {value} }}
  statistic           = "{statistic}"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topics
}}
"#
    )
}

fn parked(plan: &Plan) -> String {
    alarm(&Alarm {
        id: "parked",
        name: &format!("{}-parked", plan.service),
        says: "Instances are parked: look at each for its reason, mend that, then resume it",
        namespace: "beldi",
        metric: "beldi_parked_total",
        dimension: ("service", &format!("\"{}\"", plan.service)),
        statistic: "Sum",
    })
}
