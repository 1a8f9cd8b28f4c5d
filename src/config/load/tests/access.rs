//! The files that `access.yaml` names, loaded and loaded again.

use super::*;

fn key() -> String {
    rcgen::KeyPair::generate().unwrap().serialize_pem()
}

/// An access file with an issuer of these keys.
fn access(keys: &[&str], more: &str) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|file| format!("{{file: {file}}}"))
        .collect();
    format!(
        "roles: {{}}\naccounts: [{more}]\nissue: {{issuer: \"https://localhost\", keys: [{}]}}\n",
        keys.join(", ")
    )
}

fn account(name: &str) -> String {
    format!("{{name: {name}, roles: [], tenants: []}}")
}

fn accounts(loader: &Loader) -> Vec<String> {
    let auth = &loader.loaded().snapshot.auth;
    auth.accounts().map(|one| one.name.to_string()).collect()
}

fn key_ids(loader: &Loader) -> String {
    let issuer = loader.loaded().snapshot.auth.issuer();
    issuer.unwrap().jwks().to_string()
}

#[test]
fn a_file_beside_is_taken_with_the_access_file_or_not_at_all() {
    let files = Files::new("beside", &pair());
    files.write("a.pem", &key());
    files.write("access.yaml", &access(&["a.pem"], &account("one")));
    let mut loader = files.load();
    let (auth, revision) = (
        Arc::clone(&loader.loaded().snapshot.auth),
        loader.report().revision,
    );
    assert!(loader.look(later).next.is_none());
    assert!(Arc::ptr_eq(&loader.loaded().snapshot.auth, &auth));

    // Broken, and a change of the access file waits for it.
    files.write("a.pem", "nothing");
    files.write("access.yaml", &access(&["a.pem"], &account("two")));
    let pass = loader.look(later);
    assert_eq!(kinds(&pass), [(Kind::Access, false)]);
    let error = &pass.outcome.errors[0];
    let place = "access.yaml:3:52: the file `a.pem` cannot be used: ";
    assert!(error.contains(place), "{error}");
    assert_eq!(accounts(&loader), ["one"]);
    assert_eq!(loader.look(later).events, []);

    files.write("a.pem", &key());
    assert_eq!(kinds(&loader.look(later)), [(Kind::Access, true)]);
    assert_eq!(accounts(&loader), ["two"]);
    assert_ne!(loader.report().revision, revision);

    // Without the file there is nothing to start with.
    fs::remove_file(files.0.join("a.pem")).unwrap();
    let config = Config::load(&files.0.join("postern.yaml")).unwrap();
    let found = Loader::start(config, Arc::default(), later())
        .err()
        .unwrap();
    let text = found.render(false);
    assert!(text.contains("the file `a.pem` cannot be read"), "{text}");
}

#[test]
fn a_broken_file_of_another_folder_holds_up_no_revocation() {
    let files = Files::new("abroad", &pair());
    fs::create_dir_all(files.0.join("oauth")).unwrap();
    fs::create_dir_all(files.0.join("more")).unwrap();
    files.write("oauth/a.pem", &key());
    files.write("more/b.pem", &key());
    let keys = ["oauth/a.pem", "more/b.pem"];
    files.write("access.yaml", &access(&keys, &account("one")));
    let mut loader = files.load();
    let watched = loader.folders();
    assert!(watched.contains(&files.0.join("oauth")) && watched.contains(&files.0.join("more")));
    let before = key_ids(&loader);

    files.write("oauth/a.pem", "nothing");
    files.write("more/b.pem", &key());
    files.write("access.yaml", &access(&keys, &account("two")));
    let pass = loader.look(later);
    let wanted = [
        (Kind::Access, true),
        (Kind::Secrets, true),
        (Kind::Secrets, false),
    ];
    assert_eq!(kinds(&pass), wanted);
    assert_eq!(accounts(&loader), ["two"]);
    let error = &pass.outcome.errors[0];
    let place = "access.yaml:3:52: the file `oauth/a.pem` cannot be used: ";
    assert!(error.contains(place), "{error}");
    let after = key_ids(&loader);
    let id = |text: &str, at: usize| {
        let set: serde_json::Value = serde_json::from_str(text).unwrap();
        set["keys"][at]["kid"].to_string()
    };
    assert_eq!(id(&before, 0), id(&after, 0), "the last good one signs on");
    assert_ne!(id(&before, 1), id(&after, 1));
    assert_eq!(loader.look(later).events, []);

    // The access file breaks, and a key is still renewed.
    files.write("access.yaml", "roles: 5\n");
    files.write("oauth/a.pem", &key());
    let pass = loader.look(later);
    assert_eq!(kinds(&pass), [(Kind::Access, false), (Kind::Secrets, true)]);
    assert_eq!(accounts(&loader), ["two"]);
    assert_ne!(id(&key_ids(&loader), 0), id(&before, 0));

    // A folder that is named no more is let go of.
    files.write("access.yaml", &access(&["oauth/a.pem"], ""));
    assert_eq!(kinds(&loader.look(later)), [(Kind::Access, true)]);
    assert!(!loader.folders().contains(&files.0.join("more")));
    assert!(loader.report().is_good());
}

#[test]
fn an_access_file_waits_for_a_file_that_is_not_there_yet() {
    let files = Files::new("not-yet", &pair());
    let mut loader = files.load();
    fs::create_dir_all(files.0.join("oauth")).unwrap();
    files.write("access.yaml", &access(&["oauth/a.pem"], &account("one")));
    assert_eq!(kinds(&loader.look(later)), [(Kind::Access, false)]);
    assert!(loader.folders().contains(&files.0.join("oauth")));
    files.write("oauth/a.pem", &key());
    let pass = loader.look(later);
    assert_eq!(kinds(&pass), [(Kind::Access, true), (Kind::Secrets, true)]);
    assert_eq!(accounts(&loader), ["one"]);
}
