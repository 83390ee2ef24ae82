//! The function's executable.

fn main() -> std::process::ExitCode {
    session_api::main::<erase_user::EraseUser>()
}
