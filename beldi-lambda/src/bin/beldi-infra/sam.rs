//! The service as a template of the Serverless Application Model.

use std::fmt::Write as _;

use crate::plan::{
    FAILED, Function, INVISIBLE, KEPT, LOGGED, Plan, Queue, TICKS, TIMEOUT, Table, camel,
};
use crate::policy::{Place, Statement, statements};

const PLACE: Place<'_> = Place {
    partition: "${AWS::Partition}",
    region: "${AWS::Region}",
    account: "${AWS::AccountId}",
};

pub(crate) fn template(plan: &Plan) -> String {
    let mut text = head(plan);
    text += "\nResources:\n";
    text += &table(plan);
    text += &failures(plan);
    for queue in &plan.queues {
        text += &self::queue(queue);
    }
    for function in &plan.functions {
        text += &self::function(plan, function);
        for (number, role) in plan.callers_of(function) {
            text += &permission(function, number, role);
        }
    }
    text += &parked(plan);
    text
}

fn head(plan: &Plan) -> String {
    let mut text = format!(
        r#"AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Description: The service `{service}` of beldi

Parameters:
  AlarmTopic:
    Type: String
    Default: ""
    Description: The ARN of an SNS topic that alarms are sent to, if any
"#,
        service = plan.service
    );
    for peer in &plan.peers {
        let _ = write!(
            text,
            r#"  {key}:
    Type: String
    NoEcho: true
    MinLength: 16
    Description: The secret that `{service}` and `{peer}` seal their letters with
"#,
            key = peer.key(),
            service = plan.service,
            peer = peer.service
        );
    }
    text + r#"
Conditions:
  HasAlarmTopic: !Not [!Equals [!Ref AlarmTopic, ""]]
"#
}

fn table(plan: &Plan) -> String {
    format!(
        r#"  # The state of the service: nobody else may write it.
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      TableName: {service}
      BillingMode: PAY_PER_REQUEST
      DeletionProtectionEnabled: true
      AttributeDefinitions:
        - {{ AttributeName: {partition}, AttributeType: S }}
        - {{ AttributeName: {sort}, AttributeType: S }}
        - {{ AttributeName: {shard}, AttributeType: S }}
        - {{ AttributeName: {order}, AttributeType: N }}
      KeySchema:
        - {{ AttributeName: {partition}, KeyType: HASH }}
        - {{ AttributeName: {sort}, KeyType: RANGE }}
      GlobalSecondaryIndexes:
        - IndexName: {index}
          KeySchema:
            - {{ AttributeName: {shard}, KeyType: HASH }}
            - {{ AttributeName: {order}, KeyType: RANGE }}
          Projection: {{ ProjectionType: ALL }}
      TimeToLiveSpecification: {{ AttributeName: {expires}, Enabled: true }}
      PointInTimeRecoverySpecification: {{ PointInTimeRecoveryEnabled: true }}
      SSESpecification: {{ SSEEnabled: true }}
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
        id: "FailuresAlarm",
        name: &format!("{}-failures", plan.service),
        says: FAILED,
        namespace: "AWS/SQS",
        metric: "ApproximateNumberOfMessagesVisible",
        dimension: ("QueueName", "!GetAtt Failures.QueueName"),
        statistic: "Maximum",
    });
    format!(
        r#"
  # Asynchronous invocations that failed for good, with their payload.
  Failures:
    Type: AWS::SQS::Queue
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      QueueName: {name}
      MessageRetentionPeriod: {KEPT}
      SqsManagedSseEnabled: true
{alarm}"#,
        name = plan.failures()
    )
}

fn queue(queue: &Queue) -> String {
    let (id, name, dead) = (camel(&queue.name), &queue.name, queue.dead());
    let fifo = if queue.is_fifo() { "\n      FifoQueue: true" } else { "" };
    let alarm = alarm(&Alarm {
        id: &format!("{id}DeadAlarm"),
        name: &dead,
        says: &queue.alarm(),
        namespace: "AWS/SQS",
        metric: "ApproximateNumberOfMessagesVisible",
        dimension: ("QueueName", &format!("!GetAtt {id}Dead.QueueName")),
        statistic: "Maximum",
    });
    format!(
        r#"
  {id}Queue:
    Type: AWS::SQS::Queue
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      QueueName: {name}{fifo}
      # Longer than an invocation, or a message is delivered again while it is worked on.
      VisibilityTimeout: {INVISIBLE}
      SqsManagedSseEnabled: true
      RedrivePolicy:
        deadLetterTargetArn: !GetAtt {id}Dead.Arn
        maxReceiveCount: {deliveries}
  {id}Dead:
    Type: AWS::SQS::Queue
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      QueueName: {dead}{fifo}
      MessageRetentionPeriod: {KEPT}
      SqsManagedSseEnabled: true
{alarm}"#,
        deliveries = queue.deliveries()
    )
}

fn permission(function: &Function, number: usize, role: &str) -> String {
    format!(
        r#"
  # Another account's, which calls this service.
  {id}Caller{number}:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: !Ref {id}Function
      Principal: {role}
"#,
        id = camel(&function.name),
    )
}

fn function(plan: &Plan, function: &Function) -> String {
    let (id, name) = (camel(&function.name), &function.name);
    let alarm = alarm(&Alarm {
        id: &format!("{id}Errors"),
        name: &format!("{name}-errors"),
        says: &format!("Invocations of {name} fail: its log tells why"),
        namespace: "AWS/Lambda",
        metric: "Errors",
        dimension: ("FunctionName", &format!("!Ref {id}Function")),
        statistic: "Sum",
    });
    format!(
        r#"
  {id}Function:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: {name}
      Runtime: provided.al2023
      Architectures: [arm64]
      Handler: bootstrap
      CodeUri: target/lambda/{name}/
      MemorySize: 256
      Timeout: {TIMEOUT}
      Tracing: Active
      Role: !GetAtt {id}Role.Arn
      # Sends begin each other, and services call each other back: such chains are longer than the
      # 16 that Lambda takes for a loop. Calls end at a depth of 64; an SSF that sends itself without
      # an end is yours to stop.
      RecursiveLoop: Allow
      # A call between services holds one of its own and one of the callee's. If concurrency is reserved,
      # reserve more than the longest chain of calls needs, or they wait for each other.
      LoggingConfig:
        LogGroup: !Ref {id}Logs
{environment}      EventInvokeConfig:
        MaximumRetryAttempts: 2
        DestinationConfig:
          OnFailure: {{ Type: SQS, Destination: !GetAtt Failures.Arn }}
{events}  {id}Logs:
    Type: AWS::Logs::LogGroup
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      LogGroupName: /aws/lambda/{name}
      RetentionInDays: {LOGGED}
  {id}Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {{ Effect: Allow, Action: "sts:AssumeRole", Principal: {{ Service: lambda.amazonaws.com }} }}
      Policies:
        - PolicyName: least
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
{policy}{alarm}"#,
        environment = environment(plan, function),
        events = events(plan, function),
        policy = statements(plan, function, &PLACE).iter().map(statement).collect::<String>(),
    )
}

fn environment(plan: &Plan, function: &Function) -> String {
    let mut text =
        "      Environment:\n        Variables:\n          BELDI_TABLE: !Ref Table\n".to_owned();
    if let Some(ssf) = &function.ssf {
        let _ = writeln!(text, "          BELDI_SSF: {ssf}");
    }
    if !plan.peers.is_empty() {
        let peer = |peer: &crate::plan::Peer| {
            format!(
                r#""{}":{{"function":"{}","key":"${{{}}}"}}"#,
                peer.service,
                peer.function,
                peer.key()
            )
        };
        let peers: Vec<_> = plan.peers.iter().map(peer).collect();
        let _ = writeln!(text, "          BELDI_PEERS: !Sub '{{{}}}'", peers.join(","));
    }
    text
}

fn events(plan: &Plan, function: &Function) -> String {
    let mut text = String::new();
    if function.name == plan.collector().name {
        for (collector, payload) in TICKS {
            let _ = write!(
                text,
                r#"        {id}:
          Type: Schedule
          Properties:
            Schedule: rate(1 minute)
            Input: '{payload}'
            # The next one comes in a minute.
            RetryPolicy: {{ MaximumRetryAttempts: 0 }}
"#,
                id = camel(collector)
            );
        }
    }
    for queue in plan.queues_of(function) {
        let _ = write!(
            text,
            r#"        {id}:
          Type: SQS
          Properties:
            Queue: !GetAtt {id}Queue.Arn
            BatchSize: 10
            FunctionResponseTypes: [ReportBatchItemFailures]
"#,
            id = camel(&queue.name)
        );
    }
    if text.is_empty() { text } else { format!("      Events:\n{text}") }
}

fn statement(Statement { sid, actions, resources }: &Statement) -> String {
    let resource = |resource: &String| match resource.contains("${") {
        true => format!("                  - !Sub \"{resource}\"\n"),
        false => format!("                  - \"{resource}\"\n"),
    };
    let quoted: Vec<_> = actions.iter().map(|action| format!("\"{action}\"")).collect();
    format!(
        "              - Sid: {sid}\n                Effect: Allow\n                Action: [{}]\n                Resource:\n{}",
        quoted.join(", "),
        resources.iter().map(resource).collect::<String>()
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
        r#"  {id}:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: {name}
      AlarmDescription: "{says}"
      Namespace: {namespace}
      MetricName: {metric}
      Dimensions:
        - {{ Name: {dimension}, Value: {value} }}
      Statistic: {statistic}
      Period: 60
      EvaluationPeriods: 1
      Threshold: 0
      ComparisonOperator: GreaterThanThreshold
      TreatMissingData: notBreaching
      AlarmActions: !If [HasAlarmTopic, [!Ref AlarmTopic], !Ref "AWS::NoValue"]
"#
    )
}

fn parked(plan: &Plan) -> String {
    let alarm = alarm(&Alarm {
        id: "Parked",
        name: &format!("{}-parked", plan.service),
        says: "Instances are parked: look at each for its reason, mend that, then resume it",
        namespace: "beldi",
        metric: "beldi_parked_total",
        dimension: ("service", &plan.service),
        statistic: "Sum",
    });
    format!("\n{alarm}")
}
