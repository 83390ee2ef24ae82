//! The function's executable.

fn main() -> std::process::ExitCode {
    session_api::main::<query_my_session_changes::QueryMySessionChanges>()
}
