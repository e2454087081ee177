//! The names that a body must not use, and what to write instead.

use proc_macro2::Ident;

/// Names that share one advice.
struct Rule {
    /// Paths, or the distinctive piece of one; `*` stands for any word.
    names: &'static [&'static str],
    /// Completes a sentence that begins with the path.
    advice: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        names: &[
            "SystemTime::now",
            "Instant::now",
            "Utc::now",
            "Local::now",
            "OffsetDateTime::now_utc",
            "OffsetDateTime::now_local",
            "Timestamp::now",
            "Zoned::now",
        ],
        advice: "differs between executions of one instance: write `beldi::now().await`",
    },
    Rule {
        names: &[
            "Uuid::new_v1",
            "Uuid::new_v4",
            "Uuid::new_v6",
            "Uuid::new_v7",
            "Uuid::now_v1",
            "Uuid::now_v6",
            "Uuid::now_v7",
        ],
        advice: "differs between executions of one instance: write `beldi::uuid().await`",
    },
    Rule {
        names: &["rand::*", "fastrand::*", "getrandom::*", "thread_rng", "OsRng"],
        advice: "differs between executions of one instance: write `beldi::random::<u64>().await`",
    },
    Rule {
        names: &[
            "thread::spawn",
            "thread::scope",
            "tokio::spawn",
            "task::spawn",
            "task::spawn_local",
            "spawn_blocking",
        ],
        advice: "starts work that no replay knows of: run branches with `beldi::join(a, b)`, \
                 or start another SSF with `f(input).send().await`",
    },
    Rule {
        names: &[
            "time::sleep",
            "time::sleep_until",
            "time::timeout",
            "time::interval",
            "thread::sleep",
        ],
        advice: "is not recorded, so every replay would wait again: \
                 wait in `beldi::effect(\"wait\", async |key| ..)`",
    },
    Rule {
        names: &["env::var", "env::var_os", "env::vars", "env::vars_os", "std::env::*"],
        advice: "may differ between executions of one instance: pass it in the input, \
                 or read it in `beldi::effect(\"name\", async |key| ..)`",
    },
    Rule {
        names: &["HashMap", "hash_map"],
        advice: "is read in another order in every execution: write `BTreeMap`",
    },
    Rule {
        names: &["HashSet", "hash_set"],
        advice: "is read in another order in every execution: write `BTreeSet`",
    },
];

/// What to write instead of a path, if a body must not use it.
pub(crate) fn advice(path: &[Ident]) -> Option<String> {
    let words: Vec<_> = path.iter().map(Ident::to_string).collect();
    let rule = RULES.iter().find(|rule| rule.names.iter().any(|name| contains(&words, name)))?;
    Some(format!("`{}` {}", words.join("::"), rule.advice))
}

fn contains(path: &[String], name: &str) -> bool {
    let name: Vec<_> = name.split("::").collect();
    path.windows(name.len()).any(|words| {
        let mut pairs = words.iter().zip(&name);
        pairs.all(|(word, name)| *name == "*" || word == name)
    })
}
