// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

// A price feed with the interface that Chainlink documents as AggregatorV3, for the sandbox and the tests. Written from
// that interface; none of their code is in it. `compile.cjs` makes `price_feed.json`.

/// States what its owner last set, whatever that is: prices below zero, rounds that are old, times that are wrong. It
/// also stands for the feed of a rollup's sequencer, whose answer is 0 while the sequencer is up and 1 while it is down,
/// and whose `startedAt` is since when.
contract PriceFeed {
    uint256 public constant version = 1;
    string public description;
    uint8 public decimals;
    address public owner;

    uint80 internal roundId;
    int256 internal answer;
    uint256 internal startedAt;
    uint256 internal updatedAt;
    uint80 internal answeredInRound;

    modifier onlyOwner() {
        require(msg.sender == owner);
        _;
    }

    constructor(string memory description_, uint8 decimals_, int256 answer_) {
        description = description_;
        decimals = decimals_;
        owner = msg.sender;
        state(answer_);
    }

    /// State a price now, in a new round.
    function set(int256 answer_) external onlyOwner {
        state(answer_);
    }

    /// State a round as it is given.
    function setRound(uint80 round, int256 answer_, uint256 started, uint256 updated, uint80 answeredIn)
        external
        onlyOwner
    {
        roundId = round;
        answer = answer_;
        startedAt = started;
        updatedAt = updated;
        answeredInRound = answeredIn;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        require(roundId > 0, "No data present");
        return (roundId, answer, startedAt, updatedAt, answeredInRound);
    }

    function state(int256 answer_) internal {
        roundId += 1;
        answer = answer_;
        startedAt = block.timestamp;
        updatedAt = block.timestamp;
        answeredInRound = roundId;
    }
}
