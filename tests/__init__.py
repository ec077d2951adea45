import pytest

pytest.register_assert_rewrite("tests.support")  # helpers assert as tests do
