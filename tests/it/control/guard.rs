//! `postern ctl guard`, and what the log and `check` say of guards.

use serde_json::json;

use super::*;
use crate::support::Registry;

const GUARD: &str = "guard: {window: 2h, delete: {most: 1}, disable: {share: 5%}}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_releases_and_holds() {
    let registry = Registry::start().await;
    for id in ["a", "b", "c", "d"] {
        registry.user(id, json!({}));
    }
    let user = "    protect: {filter: 'adminCount eq 1', ids: [root]}\n";
    let rule = crate::guard::rule(&registry, crate::guard::ALL, GUARD, user, "");
    let desk = Desk::of(Program::new(&[("corp.yaml", &rule)]), LISTEN);
    let client = desk.client("admin");
    let said = desk.ctl(&["guard"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let head = "corp: window of 7200 s\n  delete: at most 1\n  disable: at most 5%\n";
    assert_eq!(said.out, head);
    client.delete("/Users/a").await.expect(204);
    for _ in 0..3 {
        client.delete("/Users/b").await.expect(429);
    }
    let said = desk.ctl(&["guard"]);
    let count = "  delete User: 1 of 1 in the window, 3 refused\n";
    assert_eq!(said.out, format!("{head}{count}"));
    // Once for the window, not once for each.
    desk.logged(&[
        "WARN",
        "the guard lets no more through",
        "\"tenant\":\"corp\"",
    ]);
    assert_eq!(desk.log().matches("the guard lets no more").count(), 1);

    let order = [
        "guard", "release", "corp", "--effect", "delete", "--for", "30m", "--most", "2",
    ];
    let said = desk.ctl(&order);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("  delete: released until "), "{said:?}");
    assert!(said.out.contains(", 2 more (by loopback)"), "{said:?}");
    desk.logged(&[
        "the guard is released",
        "\"who\":\"loopback\"",
        "\"most\":2",
    ]);
    client.delete("/Users/b").await.expect(204);
    assert!(desk.ctl(&["guard"]).out.contains(", 1 more (by loopback)"));
    let said = desk.ctl(&["guard", "hold", "corp"]);
    assert_eq!(said.out, "the guard of corp holds\n");
    desk.logged(&["the guard holds again", "\"ended\":1"]);
    client.delete("/Users/c").await.expect(429);

    for (order, code, text) in [
        (
            &["guard", "release", "other"][..],
            1,
            "no tenant of this name",
        ),
        (
            &["guard", "release", "corp", "--effect", "empty"],
            1,
            "does not count",
        ),
        (
            &["guard", "release", "corp", "--effect", "all"],
            64,
            "--effect",
        ),
        (
            &["guard", "release", "corp", "--for", "forever"],
            64,
            "--for",
        ),
        (&["guard", "release", "corp", "--for", "169h"], 64, "--for"),
        (&["guard", "release"], 64, "TENANT"),
    ] {
        let said = desk.ctl(order);
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.err.contains(text), "{said:?}");
    }
    let said = desk.program.run(&["check"]);
    for line in [
        "  guard: delete at most 1 of a type in 2h\n",
        "  guard: disable at most 5% of a type in 2h\n",
        "  protect: User: those with adminCount eq 1; 1 by id\n",
    ] {
        assert!(said.out.contains(line), "{said:?}");
    }
}
