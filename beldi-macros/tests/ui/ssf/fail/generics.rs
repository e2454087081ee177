use serde::Serialize;

#[beldi::ssf]
async fn store<T: Serialize>(value: T) {
    drop(value);
}

#[beldi::ssf]
async fn first<'a>(names: Vec<String>) -> Option<String> {
    names.into_iter().next()
}

#[beldi::ssf]
async fn second(names: Vec<String>) -> Option<String>
where
    String: Clone,
{
    names.into_iter().nth(1)
}

fn main() {}
