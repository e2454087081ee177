//! The templates that `beldi-infra` prints, as they are reviewed; `tests/cloud/lint-templates` has
//! them checked by others.

use std::process::Command;

use serde_json::Value;

const SHOP: [&str; 14] = [
    "--service",
    "shop",
    "--function",
    "order-items=take_order",
    "--function",
    "stock",
    "--peer",
    "payments=arn:aws:lambda:eu-central-1:210987654321:function:pay",
    "--caller",
    "arn:aws:iam::210987654321:role/pay",
    "--queue",
    "orders.fifo",
    "--queue",
    "returns=stock",
];

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_beldi-infra")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn shop(form: &str) -> String {
    printed(&[&[form], &SHOP[..]].concat())
}

#[test]
fn sam() {
    insta::assert_snapshot!("sam", shop("sam"));
}

#[test]
fn terraform() {
    insta::assert_snapshot!("terraform", shop("terraform"));
}

#[test]
fn policy() {
    insta::assert_snapshot!("policy", shop("policy"));
}

#[test]
fn a_small_service_needs_no_more() {
    insta::assert_snapshot!("small", printed(&["sam", "--service", "site", "--function", "visit"]));
}

fn statements(policy: &Value) -> impl Iterator<Item = &Value> {
    policy["Statement"].as_array().unwrap().iter()
}

/// Wildcards only where AWS knows nothing narrower, and never in an action.
#[test]
fn policies_are_narrow() {
    let policies: Value = serde_json::from_str(&shop("policy")).unwrap();
    for (function, policy) in policies.as_object().unwrap() {
        for statement in statements(policy) {
            let sid = statement["Sid"].as_str().unwrap();
            for action in statement["Action"].as_array().unwrap() {
                assert!(!action.as_str().unwrap().contains('*'), "{function}: {statement}");
            }
            for resource in statement["Resource"].as_array().unwrap() {
                let resource = resource.as_str().unwrap();
                let may_have = match sid {
                    "Traces" => resource == "*",
                    "Logs" => resource.ends_with(&format!("/{function}:log-stream:*")),
                    _ => !resource.contains('*'),
                };
                assert!(may_have, "{function}: {statement}");
            }
        }
    }
}

/// A function reaches its own table, itself, the named peers and its own queues.
#[test]
fn policies_name_what_belongs_to_the_function() {
    let policies: Value = serde_json::from_str(&shop("policy")).unwrap();
    let may = |function: &str, sid: &str| -> Vec<String> {
        let found = statements(&policies[function]).find(|statement| statement["Sid"] == sid);
        found.map_or_else(Vec::new, |found| {
            serde_json::from_value(found["Resource"].clone()).unwrap()
        })
    };
    let here = |service: &str, resource: &str| {
        format!("arn:aws:{service}:eu-central-1:123456789012:{resource}")
    };
    let pay = "arn:aws:lambda:eu-central-1:210987654321:function:pay".to_owned();
    assert_eq!(may("stock", "State"), [here("dynamodb", "table/shop")]);
    assert_eq!(may("stock", "DueIndex"), [here("dynamodb", "table/shop/index/due")]);
    assert_eq!(may("stock", "Calls"), [here("lambda", "function:stock"), pay]);
    assert_eq!(may("stock", "Queues"), [here("sqs", "returns")]);
    assert_eq!(may("order-items", "Queues"), [here("sqs", "orders.fifo")]);
}

/// Where a message may have to wait for others, it is not put aside as soon as where none does.
#[test]
fn messages_in_order_have_hours_before_they_are_dead_letters() {
    for form in ["sam", "terraform"] {
        let template = shop(form);
        let counts = template.lines().filter(|line| line.contains("maxReceiveCount"));
        let counts: Vec<u32> =
            counts.filter_map(|line| line.split([':', '=']).nth(1)?.trim().parse().ok()).collect();
        assert_eq!(counts, [100, 5], "of `orders.fifo` and `returns`, in {form}");
        assert!(!template.contains("can never be taken"), "some dead letters were begun");
    }
}

/// What `beldi-infra` says to these arguments, as it refuses them.
fn refused(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_beldi-infra")).args(arguments).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?} is taken");
    errors
}

#[test]
fn mistakes_are_told() {
    let arn = "arn:aws:iam::1:role/r=g";
    for (more, told) in [
        (vec!["sam"], "--function"),
        (vec!["sam", "--function", "f*"], "letters, digits"),
        (vec!["sam", "--function", "f", "--caller", "*"], "arn:aws:iam"),
        (vec!["sam", "--function", "f", "--caller", arn], "`g`"),
        (vec!["sam", "--function", "f", "--queue", "q=g"], "`g`"),
        (vec!["policy", "--function", "f", "--peer", "p=arn:aws:lambda:*"], "letters"),
    ] {
        let errors = refused(&[&more[..], &["--service", "shop"]].concat());
        assert!(errors.contains(told), "{more:?}: {errors}");
    }
}

/// Names that AWS refuses are not printed: that would be told in the middle of a deployment.
#[test]
fn names_are_those_that_aws_takes() {
    let long = &*"n".repeat(64);
    let longer = &*"n".repeat(65);
    for (service, more, told) in [
        ("a b", vec!["--function", "f"], "3 to 64 letters"),
        ("s", vec!["--function", "f"], "3 to 64 letters"),
        (longer, vec!["--function", "f"], "3 to 64 letters"),
        ("shop", vec!["--function", "order.items"], "a function's name"),
        ("shop", vec!["--function", longer], "a function's name"),
        ("shop", vec!["--function", "f", "--queue", "orders.eu"], "a queue's name"),
        ("shop", vec!["--function", "f", "--queue", ".fifo"], "a queue's name"),
        ("shop", vec!["--function", "f", "--peer", "bank=pay.in"], "a function's name"),
        ("shop", vec!["--function", "f", "--function", long], "shop-nnn"),
        ("abc", vec!["--function", &long[..57]], "-intents"),
    ] {
        for form in ["sam", "terraform", "policy"] {
            let errors = refused(&[&[form, "--service", service], &more[..]].concat());
            assert!(errors.contains(told), "{service}, {more:?}: {errors}");
        }
    }
    printed(&[
        "terraform",
        "--service",
        "abc",
        "--function",
        &long[..56],
        "--function",
        &long[..60],
    ]);
    let dotted = printed(&["sam", "--service", "shop.eu", "--function", "f"]);
    assert!(dotted.contains("QueueName: shop-eu-failures"), "{dotted}");
    let digit = printed(&["terraform", "--service", "shop", "--function", "3d"]);
    assert!(digit.contains(r#"resource "aws_lambda_function" "_3d""#), "{digit}");
}

/// Two of one name in a template are one, or none that can be deployed.
#[test]
fn names_that_become_one_in_a_template_are_refused() {
    for (more, told) in [
        (vec!["--function", "order-items", "--function", "order_items"], "`order_items`"),
        (vec!["--function", "order-items", "--function", "orderItems"], "`orderItems`"),
        (vec!["--function", "f", "--peer", "bank=a", "--peer", "bank=b"], "`bank`"),
        (vec!["--function", "f", "--queue", "q-1", "--queue", "q_1"], "`q_1`"),
        (vec!["--function", "f", "--queue", "q", "--queue", "q_dead"], "`q_dead`"),
        (vec!["--function", "f", "--queue", "q.fifo", "--queue", "q-dead.fifo"], "`q-dead.fifo`"),
        (vec!["--function", "f", "--queue", "failures"], "`failures`"),
        (vec!["--function", "f", "--queue", "shop-failures"], "`shop-failures`"),
        (vec!["--function", "f", "--queue", "intents"], "`intents`"),
    ] {
        let errors = refused(&[&["sam", "--service", "shop"], &more[..]].concat());
        assert!(errors.contains(told) && errors.contains("another name"), "{more:?}: {errors}");
    }
    // What they become is of different kinds.
    printed(&[
        "sam",
        "--service",
        "shop",
        "--function",
        "stock",
        "--queue",
        "stock",
        "--peer",
        "stock=f",
    ]);
}
