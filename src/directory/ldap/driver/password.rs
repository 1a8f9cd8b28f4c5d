//! Passwords: set by the Password Modify operation or as a value, and what a directory's policy
//! says of them. They are in no log and no error.

use bytes::Bytes;
use serde_json::Value;

use super::refusal;
use crate::directory::Ask;
use crate::directory::DirectoryError;
use crate::directory::ldap::request::Request;
use crate::directory::ldap::{Code, Dn, LdapResult, Pinned};
use crate::ldap::layout::Secret;
use crate::ldap::secret::{SHORTEST, random, unicode_pwd};
use crate::net::Secret as Password;
use crate::net::secret;
use crate::scim::ScimType;

/// The values that set a password to a text.
pub(super) fn values(form: Secret, value: &Value) -> Vec<Bytes> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(|text| value_of(form, text)).into_iter().collect()
}

/// A password that nobody knows.
pub(super) fn unknown(form: Option<Secret>, length: usize) -> Result<Bytes, DirectoryError> {
    let mut bytes = vec![0; length.max(SHORTEST)];
    let drawn = secret::random(&mut bytes).then(|| random(&bytes)).flatten();
    let text = drawn.ok_or_else(|| {
        DirectoryError::Malformed("the system has no randomness for a password".to_owned())
    })?;
    Ok(value_of(form.unwrap_or(Secret::Value), &text))
}

/// Sets a password by RFC 3062.
pub(super) async fn set(
    pinned: &Pinned,
    dn: &Dn,
    password: &Password,
    ask: &Ask,
) -> Result<(), DirectoryError> {
    let request = Request::password_modify(dn, password);
    let result = pinned.call(&request, ask.deadline).await;
    let result = result.map_err(refusal::of_write)?;
    match result.code {
        Code::SUCCESS => Ok(()),
        // OpenLDAP, where it keeps a history: it is this one already, as a repeat finds it.
        Code::CONSTRAINT_VIOLATION if result.message.contains(UNCHANGED) => Ok(()),
        // Whatever it says is about the password.
        Code::CONSTRAINT_VIOLATION | Code::UNWILLING_TO_PERFORM => {
            Err(policy(&result).unwrap_or_else(|| refused(GENERAL)))
        }
        _ => Err(refusal::of(&result)),
    }
}

/// What a refusal of a write that sets a password says of it; `None` where it is about something
/// else.
pub(super) fn policy(result: &LdapResult) -> Option<DirectoryError> {
    let fits = matches!(
        result.code,
        Code::CONSTRAINT_VIOLATION | Code::UNWILLING_TO_PERFORM
    );
    let message = result.message.to_ascii_lowercase();
    let told = fits.then(|| TOLD.iter().find(|(words, _)| message.contains(words)))??;
    Some(refused(told.1))
}

fn value_of(form: Secret, text: &str) -> Bytes {
    match form {
        Secret::Unicode => unicode_pwd(text).into(),
        Secret::Extended | Secret::Value => text.to_owned().into(),
    }
}

fn refused(why: &'static str) -> DirectoryError {
    DirectoryError::Declined {
        scim_type: ScimType::InvalidValue,
        why,
    }
}

/// What directories say, in small letters, and what that means; the first that fits. The last ones
/// are Active Directory's own numbers.
const TOLD: &[(&str, &str)] = &[
    ("history", USED),
    ("not being changed", USED),
    ("already used", USED),
    ("too short", SHORT),
    (
        "too long",
        "the password is too long for the directory's policy",
    ),
    ("characters long", SHORT),
    ("minimum age", YOUNG),
    ("too young", YOUNG),
    ("too soon", YOUNG),
    ("based off", LIKE),
    ("quality", GENERAL),
    ("complexity", GENERAL),
    ("password syntax", GENERAL),
    ("password policy", GENERAL),
    ("check_password_restrictions", GENERAL),
    ("0000052d", GENERAL),
    ("000008c5", GENERAL),
    ("0000001f", "the directory takes passwords over TLS only"),
];
const UNCHANGED: &str = "not being changed from existing value";
const GENERAL: &str = "the password does not meet the directory's policy";
const SHORT: &str = "the password is too short for the directory's policy";
const LIKE: &str = "the password is too like what the directory knows of its owner";
const USED: &str = "the password was used before, which the directory's policy forbids";
const YOUNG: &str = "the password was changed too recently for the directory's policy";

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: Code, message: &str) -> Option<String> {
        let result = LdapResult {
            code,
            matched: String::new(),
            message: message.to_owned(),
            referrals: Vec::new(),
        };
        match policy(&result)? {
            DirectoryError::Declined { why, .. } => Some(why.to_owned()),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_policies_say_becomes_a_sentence() {
        let said = |text| said(Code::CONSTRAINT_VIOLATION, text);
        for (text, told) in [
            ("Password fails quality checking policy", GENERAL),
            ("Password is in history of old passwords", USED),
            ("Password is not being changed from existing value", USED),
            ("Password is too young to change", YOUNG),
            (
                "invalid password syntax - password must be at least 8 characters long",
                SHORT,
            ),
            ("within password minimum age", YOUNG),
            (
                "invalid password syntax - Password based off of user entry",
                LIKE,
            ),
            (
                "0000052D: Constraint violation - check_password_restrictions: the password is too short.",
                SHORT,
            ),
            (
                "0000052D: SvcErr: DSID-031A124C, problem 5003 (WILL_NOT_PERFORM), data 0",
                GENERAL,
            ),
        ] {
            assert_eq!(said(text).as_deref(), Some(told), "{text}");
        }
        assert_eq!(said("some attributes not unique"), None);
    }

    #[test]
    fn the_two_numbers_of_active_directory_differ() {
        let unwilling = Code::UNWILLING_TO_PERFORM;
        let text = said(unwilling, "0000001F: SvcErr: DSID-031A12D2, problem 5003");
        assert!(text.is_some_and(|text| text.contains("TLS")));
        assert_eq!(said(Code::NO_SUCH_OBJECT, "0000052D"), None);
    }

    #[test]
    fn unknown_passwords_differ() {
        let (one, two) = (unknown(None, 0).unwrap(), unknown(None, 0).unwrap());
        assert!(one.len() >= SHORTEST && one != two);
        let wide = unknown(Some(Secret::Unicode), 32).unwrap();
        assert_eq!(wide.len(), 68);
    }
}
