//! The house rules that a compiler does not know: who may import whom, what is spelt where, which
//! doors lead outside. ARCHITECTURE.md tells why.

use std::fs;
use std::path::{Path, PathBuf};

/// A module of `beldi-core` and the modules of the crate it must not name.
const FORBIDDEN: [(&str, &[&str]); 10] = [
    ("value.rs", &["api", "collector", "engine", "host", "id", "protocol", "store", "testing"]),
    ("path.rs", &["api", "collector", "engine", "host", "protocol", "store", "testing"]),
    ("id.rs", &["api", "collector", "engine", "host", "protocol", "store", "testing"]),
    ("outside.rs", &["api", "collector", "engine", "host", "protocol", "store", "testing"]),
    ("store", &["api", "collector", "engine", "host", "id", "protocol", "testing"]),
    ("protocol", &["api", "collector", "engine", "host", "testing"]),
    ("engine", &["api", "collector", "host", "testing"]),
    ("collector", &["api", "host", "testing"]),
    ("api", &["collector", "protocol", "testing"]),
    ("host", &["testing"]),
];

/// Stores know the trait and nothing of each other.
const STORES: [&str; 3] = ["memory", "embedded", "dynamodb"];

/// What only the outside may do; `testing` brings an outside of its own.
const OUTSIDE_ONLY: [&str; 7] = [
    "SystemTime::now",
    "Instant::now",
    "Uuid::new_v4",
    "thread_rng",
    "tokio::time::sleep",
    "thread::sleep",
    "fastrand",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn core() -> PathBuf {
    root().join("beldi-core/src")
}

/// All Rust files at or below a path, with their code: no comments, no tests.
fn sources(path: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    if path.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for entry in entries {
            found.extend(sources(&entry));
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        found.push((path.to_owned(), code.collect::<Vec<_>>().join("\n")));
    }
    found
}

/// Whether the code names the module `crate::name`, alone or in a `use crate::{..}`.
fn names(code: &str, module: &str) -> bool {
    code.split("crate::").skip(1).any(|rest| {
        let list = rest.strip_prefix('{').and_then(|list| list.split('}').next()).unwrap_or(rest);
        let mut words = list.split(|c: char| !c.is_alphanumeric() && c != '_');
        if rest.starts_with('{') {
            words.any(|word| word == module)
        } else {
            words.next() == Some(module)
        }
    })
}

#[test]
fn modules_import_only_what_lies_below_them() {
    for (module, forbidden) in FORBIDDEN {
        for (path, code) in sources(&core().join(module)) {
            for name in forbidden {
                assert!(!names(&code, name), "{} must not name `crate::{name}`", path.display());
            }
        }
    }
}

#[test]
fn stores_do_not_know_each_other() {
    for store in STORES {
        let folder = core().join("store");
        let (file, inner) = (folder.join(format!("{store}.rs")), folder.join(store));
        let files = sources(if file.exists() { &file } else { &inner });
        for (path, code) in files {
            for other in STORES.into_iter().filter(|other| *other != store) {
                let named = code.contains(&format!("{other}::")) || names(&code, other);
                assert!(!named, "{} names the store `{other}`", path.display());
            }
        }
    }
}

#[test]
fn clocks_chance_and_waiting_come_through_the_outside() {
    for (path, code) in sources(&core()) {
        let name = path.strip_prefix(core()).unwrap();
        if name == Path::new("outside.rs") || name.starts_with("testing") {
            continue;
        }
        for word in OUTSIDE_ONLY {
            assert!(!code.contains(word), "{} uses `{word}`; ask `Outside`", path.display());
        }
    }
}

#[test]
fn stored_names_are_spelt_in_one_file() {
    for (path, code) in sources(&core().join("protocol")) {
        if path.ends_with("layout.rs") {
            continue;
        }
        for name in ["\"table/", "\"older/", "\"root/", "\"slot/", "\"intent\""] {
            assert!(!code.contains(name), "{} spells {name}; use `layout`", path.display());
        }
    }
}

#[test]
fn only_the_lambda_crate_and_the_dynamodb_store_name_aws() {
    let files = ["beldi-core/src", "beldi-macros/src", "src", "examples", "tests"];
    for (path, code) in files.iter().flat_map(|folder| sources(&root().join(folder))) {
        let exempt = path.ends_with("tests/tidy.rs")
            || path.starts_with(root().join("tests/cloud"))
            || path.to_string_lossy().contains("dynamodb");
        for word in ["aws_sdk", "aws_config", "lambda_runtime"] {
            assert!(exempt || !code.contains(word), "{} names `{word}`", path.display());
        }
    }
}

#[test]
fn files_stay_short_enough_to_be_read() {
    const MOST: usize = 500;
    for folder in ["beldi-core/src", "beldi-lambda/src", "beldi-macros/src", "src", "examples"] {
        for (path, _) in sources(&root().join(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(
                lines <= MOST,
                "{} has {lines} lines; would a reader rather find two files?",
                path.display()
            );
        }
    }
}

/// The names in the `pub use` lists of a file.
fn exports(path: &Path) -> Vec<String> {
    let (_, code) = sources(path).remove(0);
    let lists = code.split("pub use ").skip(1).filter_map(|list| list.split(';').next());
    let words = lists.flat_map(|list| list.split([':', '{', '}', ',', ' ', '\n']));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_facade_lists_what_the_core_exports() {
    let facade = exports(&root().join("src/lib.rs"));
    for name in exports(&core().join("lib.rs")) {
        let is_module = core().join(&name).exists() || core().join(format!("{name}.rs")).exists();
        let is_hidden = ["private", "as"].contains(&&*name);
        assert!(
            is_module || is_hidden || facade.contains(&name),
            "`beldi` does not export `{name}`"
        );
    }
}

/// Modules whose top-level public items a user meets.
const PUBLIC: [&str; 8] =
    ["api", "host", "store", "testing", "error.rs", "limits.rs", "outside.rs", "value.rs"];

#[test]
fn public_items_have_examples() {
    let mut without = Vec::new();
    for (path, _) in PUBLIC.iter().flat_map(|module| sources(&core().join(module))) {
        if path.ends_with("generated.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut docs = String::new();
        // What stands at the margin: docs and attributes belong to the item below them.
        for line in text.lines().filter(|line| !line.starts_with(' ')) {
            if ["///", "#[", ")]"].iter().any(|begin| line.starts_with(begin)) {
                docs.push_str(line.trim_start_matches('/'));
                continue;
            }
            let item = line.strip_prefix("pub ").unwrap_or("use nothing");
            let shown =
                ["```", "See [", "see [", "doc(hidden)"].iter().any(|way| docs.contains(way));
            if !shown && !item.starts_with("use ") && !item.starts_with("mod ") {
                without.push(format!("{}: {item}", path.display()));
            }
            docs.clear();
        }
    }
    assert!(
        without.is_empty(),
        "neither an example nor a \"See [`X`]\" to the item whose example shows it:\n{}",
        without.join("\n")
    );
}

#[test]
fn documents_name_files_that_exist() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/paper-map.md",
        "docs/stored-form.md",
        "docs/security.md",
        "docs/emulators.md",
        "docs/failures.md",
        "docs/performance.md",
        "beldi-lambda/README.md",
    ] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for word in text.split(['`', '(', ')', ' ', '\n', '|', ',']) {
            let is_path =
                word.contains('/') && [".rs", ".md", ".toml"].iter().any(|end| word.ends_with(end));
            if is_path && !word.contains("://") && !word.contains('*') {
                let from = root().join(document).parent().unwrap().join(word);
                let found =
                    from.exists() || root().join(word).exists() || core().join(word).exists();
                assert!(found, "{document} names `{word}`, which is not there");
            }
        }
    }
}
