//! What compiles, and what the user reads when it does not.

#[test]
fn the_attributes() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/*/pass/*.rs");
    cases.compile_fail("tests/ui/*/fail/*.rs");
}
