from tests.support.paper import paper, paper_process, paper_processes

__all__ = ["paper", "paper_process", "paper_processes"]
