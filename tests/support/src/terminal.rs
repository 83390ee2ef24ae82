//! Programs that ask a person at a terminal.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

/// How long a question stands on the screen before it is answered.
const QUIET: Duration = Duration::from_millis(400);
/// How long a program may take between two questions.
const PATIENCE: Duration = Duration::from_mins(3);

/// Runs a command at a pseudo-terminal, which `script` provides, and answers its questions. A question is a line that stays without
/// an end and ends with a colon. `answers` contain a part of a question and the answer; any other question is answered by Enter.
/// Returns what the screen showed.
pub async fn converse(command: &Command, answers: &[(&str, &str)]) -> Result<String, String> {
    let command = command.as_std();
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_string_lossy());
    let line: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--flush", "--command", &line.join(" "), "/dev/null"]);
    script.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        script.current_dir(folder);
    }
    let mut child = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("script does not run: {error}"))?;
    let (mut keyboard, mut screen) =
        (child.stdin.take().expect("a keyboard"), child.stdout.take().expect("a screen"));
    let (mut shown, mut answered) = (String::new(), 0);
    loop {
        let question = shown[answered..].rsplit('\n').next().unwrap_or_default().trim_end().to_owned();
        let is_asked = question.ends_with(':');
        let mut bytes = [0; 4096];
        match timeout(if is_asked { QUIET } else { PATIENCE }, screen.read(&mut bytes)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(count)) => shown.push_str(&String::from_utf8_lossy(&bytes[..count])),
            Err(_) if is_asked => {
                let answer = answers.iter().find(|(part, _)| question.contains(part));
                let answer = answer.map_or("", |(_, answer)| *answer);
                answered = shown.len();
                let typed = keyboard.write_all(format!("{answer}\n").as_bytes()).await;
                typed.map_err(|error| format!("{error}:\n{shown}"))?;
            }
            Err(_) => return Err(format!("it neither asks nor ends:\n{shown}")),
        }
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if status.success() { Ok(shown) } else { Err(format!("{status}:\n{shown}")) }
}
