//! The table, with what real servers say; nothing of a value or of a name in the directory is kept.

use super::*;

fn result(code: Code, message: &str) -> LdapResult {
    LdapResult {
        code,
        matched: "uid=hidden-name,dc=example".to_owned(),
        message: message.to_owned(),
        referrals: vec!["ldap://hidden-host/uid=hidden-name".to_owned()],
    }
}

/// What OpenLDAP 2.5, 389 DS 2.3, Active Directory and Samba say.
const SAID: &[(Code, &str)] = &[
    (
        Code::CONSTRAINT_VIOLATION,
        "non-unique attributes found with (|(uid=hidden)(uid=hidden\\29))",
    ),
    (
        Code::CONSTRAINT_VIOLATION,
        "non-unique attributes found with (|(uid=hidden)(mail=hidden))",
    ),
    (Code::CONSTRAINT_VIOLATION, "some attributes not unique"),
    (
        Code::CONSTRAINT_VIOLATION,
        "Another entry with the same attribute value already exists (attribute: \"uid\")",
    ),
    (
        Code::CONSTRAINT_VIOLATION,
        "uidNumber: multiple values provided",
    ),
    (
        Code::CONSTRAINT_VIOLATION,
        "Password fails quality checking policy",
    ),
    (
        Code::CONSTRAINT_VIOLATION,
        "000021C8: AtrErr: DSID-03200BBA, #1:\n\t0: 000021C8: DSID-03200BBA, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 90290 (userPrincipalName)\n",
    ),
    (
        Code::CONSTRAINT_VIOLATION,
        "00002082: AtrErr: DSID-03151785, #1:\n\t0: 00002082: DSID-03151785, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 8 (l):len 300\n",
    ),
    (Code::ENTRY_ALREADY_EXISTS, ""),
    (
        Code::ENTRY_ALREADY_EXISTS,
        "00000524: samldb: Account name (sAMAccountName) 'hidden' already in use!",
    ),
    (
        Code::OBJECT_CLASS_VIOLATION,
        "object class 'inetOrgPerson' requires attribute 'sn'",
    ),
    (
        Code::OBJECT_CLASS_VIOLATION,
        "missing attribute \"sn\" required by object class \"inetOrgPerson\"\n",
    ),
    (
        Code::OBJECT_CLASS_VIOLATION,
        "attribute 'gidNumber' not allowed",
    ),
    (
        Code::OBJECT_CLASS_VIOLATION,
        "attribute \"foo\" not allowed\n",
    ),
    (
        Code::OBJECT_CLASS_VIOLATION,
        "single-valued attribute \"preferredLanguage\" has multiple values\n",
    ),
    (Code::OBJECT_CLASS_VIOLATION, "something else about hidden"),
    (
        Code::INVALID_ATTRIBUTE_SYNTAX,
        "manager: value #0 invalid per syntax",
    ),
    (Code::INVALID_ATTRIBUTE_SYNTAX, "hidden value: of nobody"),
    (
        Code::ATTRIBUTE_OR_VALUE_EXISTS,
        "modify/add: cn: value #0 already exists",
    ),
    (
        Code::UNDEFINED_ATTRIBUTE_TYPE,
        "foo: attribute type undefined",
    ),
    (
        Code::INAPPROPRIATE_MATCHING,
        "modify/delete: photo: no equality matching rule",
    ),
    (
        Code::NAMING_VIOLATION,
        "value of naming attribute 'uid' is not present in entry",
    ),
    (
        Code::UNWILLING_TO_PERFORM,
        "0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n",
    ),
    (
        Code::UNWILLING_TO_PERFORM,
        "00000523: SysErr: DSID-031A1202, problem 22 (Invalid argument), data 0\n",
    ),
    (
        Code::UNWILLING_TO_PERFORM,
        "0000001F: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n",
    ),
    (
        Code::OPERATIONS_ERROR,
        "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed",
    ),
    (
        Code::INSUFFICIENT_ACCESS_RIGHTS,
        "no write access to parent",
    ),
    (
        Code::ENTRY_ALREADY_EXISTS,
        "00002071: UpdErr: DSID-0305038D, problem 6005 (ENTRY_EXISTS), data 0\n\0",
    ),
    (
        Code::CONSTRAINT_VIOLATION,
        "0000052D: AtrErr: DSID-03191083, #1:\n\t0: 0000052D: DSID-03191083, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 9005a (unicodePwd)\n\0",
    ),
    (
        Code::UNWILLING_TO_PERFORM,
        "000008C5: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n\0",
    ),
    (
        Code::UNWILLING_TO_PERFORM,
        "00002035: SvcErr: DSID-031A1248, problem 5003 (WILL_NOT_PERFORM), data 0\n\0",
    ),
    (
        Code::UNWILLING_TO_PERFORM,
        "00002077: SvcErr: DSID-031907B0, problem 5003 (WILL_NOT_PERFORM), data 0\n\0",
    ),
    (
        Code::UNWILLING_TO_PERFORM,
        "0000209A: SvcErr: DSID-031A0FC0, problem 5003 (WILL_NOT_PERFORM), data 0\n\0",
    ),
    (
        Code::UNWILLING_TO_PERFORM,
        "00002145: SvcErr: DSID-031A1248, problem 5003 (WILL_NOT_PERFORM), data 0\n\0",
    ),
    (
        Code::UNWILLING_TO_PERFORM,
        "00002149: SvcErr: DSID-031A1248, problem 5003 (WILL_NOT_PERFORM), data 0\n\0",
    ),
    (
        Code::NAMING_VIOLATION,
        "00002099: NameErr: DSID-0305109C, problem 2005 (NAMING_VIOLATION), data 0, best match of:\n\t'OU=hidden'\n\0",
    ),
    (
        Code::NO_SUCH_ATTRIBUTE,
        "00000057: LdapErr: DSID-0C090D8A, comment: Error in attribute conversion operation, data 0, v2580\0",
    ),
    (
        Code::INVALID_ATTRIBUTE_SYNTAX,
        "00000057: LdapErr: DSID-0C090C3E, comment: Error in attribute conversion operation, data 0, v2580\0",
    ),
    (
        Code::NO_SUCH_ATTRIBUTE,
        "00002085: AtrErr: DSID-03190F80, #1:\n\t0: 00002085: DSID-03190F80, problem 1001 (NO_ATTRIBUTE_OR_VAL), data 0, Att 1f (member)\n\0",
    ),
    (
        Code::OBJECT_CLASS_VIOLATION,
        "0000207C: UpdErr: DSID-0315166D, problem 6002 (OBJ_CLASS_VIOLATION), data 590045\n\0",
    ),
    (
        Code::OBJECT_CLASS_VIOLATION,
        "0000207D: UpdErr: DSID-03151792, problem 6002 (OBJ_CLASS_VIOLATION), data 590044\n\0",
    ),
    (
        Code::NO_SUCH_OBJECT,
        "0000208D: NameErr: DSID-03100245, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'OU=hidden'\n\0",
    ),
    (
        Code::INSUFFICIENT_ACCESS_RIGHTS,
        "00000005: SecErr: DSID-031A11D2, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\0",
    ),
    (
        Code::NOT_ALLOWED_ON_RDN,
        "00002016: UpdErr: DSID-031A121A, problem 6004 (CANT_ON_RDN), data 0\n\0",
    ),
    (
        Code::NOT_ALLOWED_ON_NON_LEAF,
        "00002015: UpdErr: DSID-031A10D9, problem 6003 (CANT_ON_NON_LEAF), data 0\n\0",
    ),
    (
        Code::REFERRAL,
        "0000202B: RefErr: DSID-0310082F, data 0, 1 access points\n\tref 1: 'hidden.example'\n\0",
    ),
    (
        Code::OTHER,
        "000020EF: SvcErr: DSID-0208044C, problem 5012 (DIR_ERROR), data 8431\n\0",
    ),
    (
        Code::ADMIN_LIMIT_EXCEEDED,
        "00002024: SvcErr: DSID-02050A38, problem 5008 (ADMIN_LIMIT_EXCEEDED), data -1026\n\0",
    ),
    (Code::REFERRAL, ""),
    (Code::BUSY, ""),
    (Code::UNAVAILABLE, "hidden"),
    (Code::TIME_LIMIT_EXCEEDED, ""),
    (Code::SIZE_LIMIT_EXCEEDED, ""),
    (Code::ADMIN_LIMIT_EXCEEDED, ""),
    (
        Code::NOT_ALLOWED_ON_NON_LEAF,
        "subordinate objects must be deleted first",
    ),
    (Code::NO_SUCH_OBJECT, ""),
    (
        Code::NO_SUCH_ATTRIBUTE,
        "modify/delete: title: no such value",
    ),
    (Code::ASSERTION_FAILED, ""),
    (Code::OTHER, "hidden internal"),
    (Code(4711), "hidden"),
];

#[test]
fn every_result_has_its_error() {
    let mut rows = Vec::new();
    for (code, message) in SAID {
        let error = of(&result(*code, message));
        rows.push(format!("{code}, {:?}\n    {error:?}", message.trim_end()));
    }
    let table = rows.join("\n");
    for row in table.lines().filter(|line| line.starts_with("    ")) {
        assert!(!row.contains("hidden"), "{row}");
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_value_is_never_taken_for_a_name() {
    for text in [
        "uid=hidden: value #0 invalid per syntax",
        "object class 'x' requires attribute 'hidden value'",
        "non-unique attributes found with (|(uid=a)(&(!(hidden=b))))",
        "non-unique attributes found with hidden",
        "(attribute: \"",
        ", Att (",
        "",
    ] {
        let said = result(Code::CONSTRAINT_VIOLATION, text);
        assert_eq!(words::attribute(&said), None, "{text}");
    }
}
