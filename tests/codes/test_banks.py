"""A memory bank: what it holds, what counts in it, and what it refuses."""

import pytest
import torch

from biodeephashing.codes.banks import BankRows, MemoryBank
from biodeephashing.errors import UsageError


def test_rows_that_were_never_written_do_not_count():
    pairs = torch.randn(4, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    written = torch.tensor([True, False, True, True, False, True, False])
    rows = BankRows(torch.zeros(7, 2), torch.zeros(7, 1), written)
    torch.testing.assert_close(rows.mean(pairs), pairs[:, written].mean(), rtol=1e-12, atol=0)
    assert rows._replace(written=None).mean(pairs) == pairs.mean()
    assert rows._replace(written=torch.zeros(7, dtype=torch.bool)).mean(pairs) == 0


def test_a_bank_holds_the_latest_codes_and_nothing_unwritten():
    labels = torch.eye(4)
    bank = MemoryBank(labels, bits=2)
    assert not bank.rows().written.any()
    codes = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    bank.write(torch.tensor([3, 1]), codes)
    assert bank.rows().codes.tolist() == [[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [1.0, 2.0]]
    assert bank.rows().written.tolist() == [False, True, False, True]
    assert bank.rows().labels.tolist() == labels.tolist()
    assert not bank.rows().codes.requires_grad
    bank.write(torch.tensor([3, 0, 2]), torch.arange(6.0).view(3, 2))
    assert bank.rows().codes.tolist() == [[2.0, 3.0], [3.0, 4.0], [4.0, 5.0], [0.0, 1.0]]
    resumed = MemoryBank(labels, bits=2)
    resumed.load_state_dict(bank.state_dict())
    assert (resumed.rows().codes == bank.rows().codes).all()
    assert set(bank.state_dict()) == {"codes", "written"}  # labels are known without
    bank.clear()
    assert not bank.rows().written.any()
    bank.write(torch.tensor([2]), torch.tensor([[7.0, 8.0]]))
    assert bank.rows().codes[bank.rows().written].tolist() == [[7.0, 8.0]]
    assert MemoryBank(labels, bits=2).double().rows().codes.dtype == torch.float64


def test_what_a_bank_refuses():
    bank = MemoryBank(torch.eye(4), bits=2)
    for index in (-1, 4):
        with pytest.raises(UsageError, match=f"from {index} to {index}: .* 0 to 3"):
            bank.write(torch.tensor([index]), torch.ones(1, 2))
    with pytest.raises(UsageError, match=r"2 bits .*\(1, 3\)"):
        bank.write(torch.tensor([0]), torch.ones(1, 3))
    with pytest.raises(UsageError, match="at least one"):
        MemoryBank(torch.ones(0, 4), bits=2)
