//! A short run of the end-to-end program: real processes, killed all the time.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What the travel example prints as JSON, the requests as DynamoDB gets them, and what goes between the two
/// services outside of transactions.
const KEYS: [&str; 20] = [
    "bookings",
    "seed",
    "seconds",
    "answered",
    "accepted",
    "rooms_taken",
    "rooms_left",
    "seats_taken",
    "seats_left",
    "confirmations",
    "duplicates",
    "losses",
    "half_bookings",
    "attempt_crashes",
    "process_kills",
    "attempts_per_booking",
    "requests_per_booking",
    "statements",
    "callbacks",
    "collected",
];

#[test]
fn nothing_is_lost_doubled_halved_or_left_while_processes_are_killed() {
    let programs = Path::new(env!("CARGO_BIN_EXE_travel-lambda")).parent().unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_e2e"))
        .args(["--bookings", "60", "--seed", "11", "--kill", "0.15", "--json", "--programs"])
        .arg(programs)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    println!("{out}{err}");
    assert!(run.status.success(), "{}", run.status);
    let json: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    for key in KEYS {
        assert!(json[key].is_number(), "{key}");
    }
    assert_eq!(json["answered"], 60);
    assert_eq!(json["rooms_taken"], json["accepted"]);
    assert_eq!(json["conserved"], true);
    assert_eq!(json["statements"], json["accepted"]);
    assert_eq!(json["misstated"], 0);
    assert!(json["callbacks"].as_u64().unwrap() > 0, "nobody was called back");
    assert!(json["accepted"].as_u64().unwrap() > 10, "hardly anything was bought");
    assert!(json["process_kills"].as_u64().unwrap() > 20, "hardly anything was killed");
}
