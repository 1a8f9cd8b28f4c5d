//! Attributes that are secrets by their name: written, never read (decisions, 37).

/// Whether an attribute of that name is a secret whatever a rule says.
pub(in crate::mapping) fn is_secret(name: &str) -> bool {
    SECRETS
        .iter()
        .any(|secret| secret.eq_ignore_ascii_case(name))
}

const SECRETS: [&str; 26] = [
    "password",
    "passwd",
    "userPassword",
    "unicodePwd",
    "dBCSPwd",
    "ntPwdHistory",
    "lmPwdHistory",
    "supplementalCredentials",
    "msDS-ManagedPassword",
    "ms-Mcs-AdmPwd",
    "sambaNTPassword",
    "sambaLMPassword",
    "sambaPasswordHistory",
    "krbPrincipalKey",
    "krbMKey",
    "krbPwdHistory",
    "ipaNTHash",
    "ipatokenOTPkey",
    "pwdHistory",
    "passwordHistory",
    "nsslapd-rootpw",
    "authPassword",
    "olcRootPW",
    "secretKey",
    "passwordHash",
    "password_hash",
];
