//! infra/preflight.py, which operators run before they deploy.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::Command,
    thread,
};

use session_local::workspace::workspace;

/// Serves these paths, each with a status and a body in which `URL` stands for the server's own, until the test ends.
fn serve(paths: &'static [(&'static str, u16, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let own = url.clone();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let wanted = line.split(' ').nth(1).unwrap_or_default();
            let found = paths.iter().find(|(path, ..)| *path == wanted);
            let (status, body) =
                found.map_or((404, String::new()), |(_, status, body)| (*status, body.replace("URL", &own)));
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    url
}

const CONFIGURATION: &str = "/.well-known/openid-configuration";
const KEYS: (&str, u16, &str) =
    ("/keys", 200, r#"{"keys": [{"kty": "EC"}, {"kty": "RSA", "alg": "RS256", "kid": "1"}]}"#);
const GOOD: &str = r#"{"issuer": "URL", "jwks_uri": "URL/keys"}"#;

/// What it prints about an issuer.
fn checked(issuer: &str, more: &[&str]) -> Vec<String> {
    let script = workspace().join("infra/preflight.py");
    let mut command = Command::new("python3");
    command.arg(script).args(["--issuer", issuer, "--region", "us-east-1"]).args(more);
    // The AWS CLI must find no account, and not look for one on the network.
    command.env("AWS_EC2_METADATA_DISABLED", "true").env_remove("AWS_ACCESS_KEY_ID");
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "there is no account here");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn issuer(printed: &[String]) -> String {
    printed.iter().find(|line| line.contains(" issuer: ")).unwrap().clone()
}

#[test]
fn a_good_issuer_is_told_from_bad_ones() {
    let good = serve(&[(CONFIGURATION, 200, GOOD), KEYS]);
    assert_eq!(issuer(&checked(&good, &[])), "ok      issuer: 1 RSA keys");
    for (bad, reason) in [
        ("http://issuer.example".to_owned(), "does not begin with https://"),
        ("http://127.0.0.1:9".to_owned(), "cannot be fetched as JSON"),
        ("https://[x".to_owned(), "does not begin with https://"),
        (serve(&[]), "responds 404"),
        (serve(&[(CONFIGURATION, 200, "<html>")]), "cannot be fetched as JSON"),
        (
            serve(&[(CONFIGURATION, 200, r#"{"issuer": "URL/", "jwks_uri": "URL/keys"}"#), KEYS]),
            "names the issuer 'http://",
        ),
        (serve(&[(CONFIGURATION, 200, r#"{"issuer": "URL"}"#), KEYS]), "has no jwks_uri"),
        (
            serve(&[(CONFIGURATION, 200, GOOD), ("/keys", 200, r#"{"keys": [{"kty": "EC"}]}"#)]),
            "has no RSA key",
        ),
        (serve(&[(CONFIGURATION, 200, GOOD)]), "/keys responds 404"),
    ] {
        let printed = issuer(&checked(&bad, &[]));
        assert!(printed.starts_with("FAILED") && printed.contains(reason), "{bad}: {printed}");
    }
}

#[test]
fn a_region_without_function_urls_needs_the_other_endpoint() {
    let region = |more: &[&str]| {
        let printed = checked("http://127.0.0.1:9", more);
        printed.into_iter().find(|line| line.contains(" region: ")).unwrap()
    };
    assert_eq!(region(&[]), "ok      region: us-east-1");
    let without = region(&["--region", "il-central-1"]);
    assert!(without.contains("deploy with FeedEndpoint=HttpApi"), "{without}");
    let other = region(&["--region", "il-central-1", "--feed-endpoint", "HttpApi"]);
    assert_eq!(other, "ok      region: il-central-1");
}
